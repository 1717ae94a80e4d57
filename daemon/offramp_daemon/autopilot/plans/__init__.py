"""The plans in use: what is known of them, and how far each is from lasting."""
