"""Decides which backend serves a request."""
