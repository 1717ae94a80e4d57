"""`offramp-daemon`: owns the sockets and replaces workers. Standard library only."""
