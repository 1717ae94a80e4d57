"""Where a backend's key is kept: the system keyring, a private file, or a setting."""
