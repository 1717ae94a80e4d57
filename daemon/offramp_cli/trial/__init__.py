"""`offramp try`: whether the whole path works, by one request for each service."""
