"""How the views look: fonts, fills, and numbers as the user's system writes them."""
