"""The settings: read from their file, the environment and `.env`, checked, and edited."""
