"""How much of each plan is used: read from answers and from Z.ai, kept, and reported."""
