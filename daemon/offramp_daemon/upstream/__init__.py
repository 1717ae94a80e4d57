"""The connections to the backends."""
