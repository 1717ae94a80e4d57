"""What sets Offramp up the first time: whether it is due, and which models can be chosen."""
