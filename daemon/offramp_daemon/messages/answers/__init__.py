"""What is in an answer: its events, tokens, tool calls and errors, and what these mean. Pure."""
