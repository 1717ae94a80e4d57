"""What every fake service is made of."""
