"""The daemon's settings while it runs: read again when their files or keys change."""
