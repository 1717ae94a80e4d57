"""What to do where macOS does not show the icon, or a notification; for the tray and the doctor."""

from __future__ import annotations

import platform
import sys
import sysconfig
from pathlib import Path

NOTIFICATION_NOTE = (
    "macOS drops the tray's notifications, without an error, until Script Editor is allowed to "
    "show them. The icon has a dot until you open its menu, which has each message."
)
NOTIFICATION_CURE = (
    "To see them, open Script Editor once, run this there, and allow its notifications: "
    'display notification "Offramp"'
)

_FIRST_WITH_LIST = 16
"""macOS 26, by the number that it gives to programs built for older ones."""
_ALLOW = "Look at System Settings > Menu Bar > Allow in the Menu Bar: {program} must be on."
_ROOM = (
    "The menu bar may have no room for it, or the notch covers it: quit programs whose icons you "
    "don't need. A program that tidies the menu bar may also hide it."
)


def hidden_icon_cure(*, version: str | None = None, program: str | None = None) -> str:
    """Return what to do about an icon that the menu bar does not show.

    `version` is that of macOS, `program` what its settings call the tray's process.
    """
    if version is None:
        version = platform.mac_ver()[0]
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < _FIRST_WITH_LIST:
        return _ROOM
    return f"{_ALLOW.format(program=program or process_name())} {_ROOM}"


def process_name() -> str:
    """Return what macOS calls a process of this Python: the framework's is an app of that name."""
    framework = sysconfig.get_config_var("PYTHONFRAMEWORK")
    return str(framework) if framework else Path(sys.executable).resolve().name
