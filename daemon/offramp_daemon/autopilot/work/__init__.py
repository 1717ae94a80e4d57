"""What work is still to come, from the user's own weeks."""
