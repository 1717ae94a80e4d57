"""What draws a `Snapshot`; a view knows no file and no socket, and counts nothing."""
