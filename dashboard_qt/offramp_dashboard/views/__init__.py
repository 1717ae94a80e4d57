"""What draws a `Picture`; a view knows no file and no socket, and counts nothing."""
