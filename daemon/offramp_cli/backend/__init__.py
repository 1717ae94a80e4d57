"""`offramp backend`: the services that requests can be delegated to."""
