"""`offramp config`, `key` and `reload`."""
