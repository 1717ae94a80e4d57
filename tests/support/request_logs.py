"""Whole request logs on disk, for the tests of the window's reading."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from usage_samples import as_request

from offramp_core.usage import records

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from offramp_core.usage.records import UsageRecord


def write_log(folder: Path, log: Iterable[UsageRecord]) -> None:
    """Add `log` to the month files of `folder`, in order of time, as the daemon would."""
    months: dict[str, list[bytes]] = defaultdict(list)
    for one in sorted(log, key=lambda one: one.ts):
        written = as_request(one)
        months[records.file_name(written.ts)].append(records.encode(written))
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in months.items():
        with (folder / name).open("ab") as file:
            file.writelines(lines)
