"""Small widgets that the views are built from: frames, tick and choice boxes, a split bar."""
