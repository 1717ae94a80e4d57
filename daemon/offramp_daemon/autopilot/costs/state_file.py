"""Keeps what the autopilot has learnt of each account's plan, so that a restart loses nothing.

It holds only figures: accounts are salted hashes. A file that can't be read, or is another
version's, is as good as none: what it held is learnt again. Of two daemons in a hand-over the later
writer wins, for each of them has read the same file and learnt on from it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from offramp_core import atomic_file, private_files
from offramp_core.quota.windows import Moment
from offramp_daemon.autopilot.costs.cost_model import CostModel, Learnt
from offramp_daemon.autopilot.costs.peak_hours import PeakHours

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

MOST_ACCOUNTS = 16

_VERSION = 1
_MOST_BYTES = 256 * 1024


class LearntDelegate(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt of one account's plan at a delegate; the hours are UTC's."""

    cost: Learnt
    peak_expected: tuple[float, ...]
    peak_moved: tuple[float, ...]


class _StateFile(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    accounts: dict[str, Learnt] = {}
    weeks: dict[str, Moment] = {}
    delegates: dict[str, LearntDelegate] = {}
    """By backend and account."""


@dataclass(frozen=True, slots=True)
class LearntAccount:
    """What was learnt of one account."""

    learnt: Learnt
    week: datetime | None
    """When the plan's week began in which it was learnt last."""


def load(file: Path) -> dict[str, LearntAccount]:
    """Return what the file holds of each account; nothing if there is no good file. Blocks."""
    kept = _read(file)
    found: dict[str, LearntAccount] = {}
    for account, learnt in list(kept.accounts.items())[-MOST_ACCOUNTS:]:
        with contextlib.suppress(ValueError):
            CostModel.of(learnt)
            found[account] = LearntAccount(learnt, kept.weeks.get(account))
    return found


def load_delegates(file: Path) -> dict[str, LearntDelegate]:
    """Return what the file holds of the delegates' plans; versions before had none. Blocks."""
    found: dict[str, LearntDelegate] = {}
    for name, learnt in list(_read(file).delegates.items())[-MOST_ACCOUNTS:]:
        with contextlib.suppress(ValueError):
            CostModel.of(learnt.cost)
            PeakHours.of(learnt.peak_expected, learnt.peak_moved)
            found[name] = learnt
    return found


def save(
    file: Path,
    accounts: Mapping[str, LearntAccount],
    delegates: Mapping[str, LearntDelegate] = MappingProxyType({}),
) -> None:
    """Replace the file's content; the last accounts count. Blocks.

    Raises:
        OSError: the disk is full, read-only or broken; what was there stays.
    """
    latest = list(accounts.items())[-MOST_ACCOUNTS:]
    kept = _StateFile(
        version=_VERSION,
        accounts={name: account.learnt for name, account in latest},
        weeks={name: account.week for name, account in latest if account.week is not None},
        delegates=dict(list(delegates.items())[-MOST_ACCOUNTS:]),
    )
    private_files.make_folder(file.parent)
    atomic_file.replace(file, msgspec.json.encode(kept) + b"\n", waits_for_disk=False)


def _read(file: Path) -> _StateFile:
    nothing = _StateFile(version=_VERSION)
    try:
        data = atomic_file.load(file, _MOST_BYTES + 1) or b""
        kept = msgspec.json.decode(data, type=_StateFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return nothing
    is_good = kept.version == _VERSION and len(data) <= _MOST_BYTES
    return kept if is_good else nothing
