"""The proxy process and the command line."""
