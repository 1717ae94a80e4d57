"""`offramp demo`: the daemon in front of the fake services, with sample data."""
