"""What the tray needs of any desktop, whatever its toolkit."""
