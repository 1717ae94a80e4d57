"""Whether the machines that share the log's folder keep out of each other's way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import note, warning
from offramp_core import log_names
from offramp_core.usage import records
from offramp_core.usage import state_events as events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offramp_cli.doctor.finding import Remark

_EVENTS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Who writes into the log's folder; `name` is this machine's, empty where it has none."""

    name: str
    others: tuple[str, ...]
    copies: tuple[str, ...]
    """Files that a synchroniser kept since one was changed at two places at once."""
    has_namesake: bool
    """Another machine has written under this one's name since this one did."""


def look(folder: Path, name: str, own_id: str | None) -> Machines:
    """List the files, and read who started under this machine's name."""
    found = [each for path in _files(folder) if (each := log_names.parse(path.name))]
    copies = (path.name for path in _files(folder) if _is_conflict_copy(path))
    return Machines(
        name=name,
        others=tuple(sorted({each.machine for each in found} - {name, ""})),
        copies=tuple(sorted(copies)),
        has_namesake=bool(name) and own_id is not None and _has_namesake(folder, name, own_id),
    )


def judge(machines: Machines) -> Iterator[Remark]:
    """Say what keeps their files from being told apart; nothing where all is well."""
    if machines.has_namesake:
        yield warning(
            f"Another machine writes under the name {machines.name} too.",
            "Give each machine its own name with machine in config.toml (OFFRAMP_MACHINE), and "
            "restart its daemon.",
        )
    if machines.others and not machines.name:
        yield warning(
            f"Other machines write into this folder ({', '.join(machines.others)}), and this one "
            "has no name.",
            'Give it one in config.toml, such as machine = "laptop", and restart the daemon.',
        )
    if machines.copies:
        count = len(machines.copies)
        files = "1 conflict copy" if count == 1 else f"{count} conflict copies"
        yield note(
            f"A synchroniser left {files} ({machines.copies[0]}). Each record is counted once.",
            "If more of them come, two machines have the same name.",
        )


def _files(folder: Path) -> tuple[Path, ...]:
    try:
        return log_names.find(folder, *log_names.KINDS)
    except OSError:
        return ()


def _is_conflict_copy(path: Path) -> bool:
    """Whether it is one, and not an older log that the user put there under a name of their own."""
    name = log_names.parse(path.name)
    return name is not None and name.is_copy and bool(name.month or name.kind != log_names.REQUESTS)


def _has_namesake(folder: Path, name: str, own_id: str) -> bool:
    """Whether another machine's daemon started under `name` after one of this machine's did.

    Only then: a machine that was set up again has another id, and never the earlier one again. One
    that has started under another name since then has been given that one.
    """
    # On a Mac, names that differ in capitals only are one file.
    started = sorted(_starts(folder))
    names = {machine: called for _, machine, called in started}
    ids = [machine for _, machine, called in started if called == name.casefold()]
    return own_id in ids and any(
        each != own_id and names[each] == name.casefold() for each in ids[ids.index(own_id) :]
    )


def _starts(folder: Path) -> Iterator[tuple[str, str, str]]:
    """When a daemon started, on which machine, and under which name, in small letters."""
    for path in _files(folder):
        parsed = log_names.parse(path.name)
        if parsed is None or parsed.kind != log_names.EVENTS:
            continue
        for line in _lines(path):
            try:
                event = events.decode(line)
            except records.UNREADABLE:
                continue
            if event.event == events.STARTED and event.machine_id:
                yield event.ts, event.machine_id, parsed.machine.casefold()


def _lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _EVENTS_BYTES))
            return file.read(_EVENTS_BYTES).splitlines()
    except OSError:
        return []
