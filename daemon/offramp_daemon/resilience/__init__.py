"""What keeps one failing or busy backend from failing the user's requests."""
