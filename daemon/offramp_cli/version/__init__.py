"""`offramp version`: what is installed, and on request whether there is a newer release."""
