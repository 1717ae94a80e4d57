"""Keeps what the autopilot has learnt of each account's plan, so that a restart loses nothing.

Figures alone: accounts are salted hashes. A file that can't be read, or is another version's, is as
good as none: what it held is learnt anew. Of two daemons in a hand-over the later writer wins, for
each of them has read the same file and learnt on from it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from offramp_daemon.autopilot.cost import CostModel, Learnt
from offramp_daemon.locked_file import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ACCOUNTS = 16

_VERSION = 1
_MOST_BYTES = 256 * 1024


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    accounts: dict[str, Learnt] = {}


def load(file: Path) -> dict[str, CostModel]:
    """What the file holds of each account; nothing if there is no good file. Blocks."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        kept = msgspec.json.decode(data, type=_Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if kept.version != _VERSION or len(data) > _MOST_BYTES:
        return {}
    found: dict[str, CostModel] = {}
    for account, learnt in kept.accounts.items():
        with contextlib.suppress(ValueError):
            found[account] = CostModel.of(learnt)
    return found


def save(file: Path, models: Mapping[str, CostModel]) -> None:
    """Replace the file's content; the last accounts of `models` count. Blocks.

    Raises:
        OSError: the disk is full, read-only or broken; what was there stays.
    """
    latest = list(models.items())[-MOST_ACCOUNTS:]
    kept = _Kept(version=_VERSION, accounts={name: model.learnt() for name, model in latest})
    make_private_folder(file.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(msgspec.json.encode(kept) + b"\n")
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
