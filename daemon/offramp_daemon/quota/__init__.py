"""How much of each plan is used: read from answers and from quota pages, kept, and reported."""
