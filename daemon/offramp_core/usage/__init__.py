"""The usage log: its records, how they are read, and the numbers made from them."""
