"""What is in a request and an answer: read, adapted and metered, without any I/O."""
