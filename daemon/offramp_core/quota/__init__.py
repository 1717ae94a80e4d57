"""What is known of a plan's quota: its windows, its history, and when the user's week starts."""
