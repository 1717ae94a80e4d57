"""`offramp pause` and `resume`."""
