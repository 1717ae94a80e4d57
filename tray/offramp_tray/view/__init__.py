"""What the tray shows, as pure functions of its state."""
