"""What the window shows, as plain data: read, folded and filtered, without widgets."""
