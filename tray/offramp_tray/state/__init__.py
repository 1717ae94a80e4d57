"""What the tray knows: of the daemon, of the week, and of the user's choices."""
