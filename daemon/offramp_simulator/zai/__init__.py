"""The fake Z.ai."""
