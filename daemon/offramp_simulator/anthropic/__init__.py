"""The fake Anthropic."""
