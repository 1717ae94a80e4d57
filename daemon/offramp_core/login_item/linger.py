"""Lingering: whether systemd runs a user's services while that user is not logged in."""

from __future__ import annotations

from pathlib import Path

COMMAND = ("loginctl", "enable-linger")

_FOLDER = Path("/var/lib/systemd/linger")


def is_on(user: str) -> bool:
    """Whether `user`'s services outlive the last session."""
    return bool(user) and (_FOLDER / user).exists()
