"""What a delegate gets of a request: only what its service and its model take. Pure."""
