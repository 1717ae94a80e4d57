"""`offramp connect` and `disconnect`."""
