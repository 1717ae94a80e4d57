"""Finds and repairs what a service would refuse in a conversation's history. Pure."""
