"""Takes a request in, sends it on, and passes the answer back."""
