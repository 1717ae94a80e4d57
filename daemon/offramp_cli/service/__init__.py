"""`offramp install`, `uninstall`, `start`, `stop` and `restart`."""
