"""`offramp simulate`: what each way of delegating would make of the Claude week."""
