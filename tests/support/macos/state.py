"""What the fake commands of one Mac know, in a file that they and the test share."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FIRST: dict[str, Any] = {
    "uid": os.getuid(),
    "no_screen": 0,  # the code that says so; 0 where somebody is logged in there
    "no_user": False,  # whether there is no domain of the user's background either, as after `su`
    "spells_true": False,  # print-disabled, before macOS 13
    "loaded": {},  # label -> agent, in the domain of the screen
    "background": {},  # the same, in the domain of the user's background
    "disabled": {},  # label -> whether it is
    "slow": {},  # label -> how many looks find it after its bootout
    "ending": {},  # label -> how many more looks find it now
    "signals": [],
    "scripted": [],
    "keychain": {},  # "service/account" -> secret
    "keychain_status": 0,
    "notifications": [],
    "processes": [],
    "sees_real_processes": False,
}


def read(folder: Path) -> dict[str, Any]:
    """Read it; what was never written is as on a new Mac with somebody at the screen."""
    file = folder / "state.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {**json.loads(json.dumps(FIRST)), **known}


def write(folder: Path, state: dict[str, Any]) -> None:
    """Replace it at once."""
    new = folder / f"state.json.{os.getpid()}"
    new.write_text(json.dumps(state), encoding="utf-8")
    new.replace(folder / "state.json")
