"""`offramp stats`, `logs` and `status`."""
