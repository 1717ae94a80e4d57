"""One module for each check: `look` asks, `judge` decides what the answers mean."""
