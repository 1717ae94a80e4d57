"""Counts a record once that stands in a file and in conflict copies of it.

A record is a line at its place in one file, so two lines of one file are two records however equal
they are. Copies began as the same file: of a line that stands in several of them, as many are
records as the file holds that has it most often.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from offramp_core import log_names
from offramp_core.errors import OfframpError
from offramp_core.usage import log_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_LONGEST_LINE_BYTES = 8 * 1024


def with_copies(paths: Sequence[Path]) -> Mapping[Path, tuple[Path, ...]]:
    """Return for each of `paths` that has, or is, a conflict copy: all files that are of one."""
    return {path: group for group in grouped(paths) if len(group) > 1 for path in group}


def grouped(paths: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    """Return each file of `paths` together with its conflict copies, in the order of `paths`."""
    there = {path.name: path for path in paths}
    groups: dict[str, list[Path]] = {}
    for path in paths:
        original = next(
            (
                name
                for name in log_names.may_copy(path.name)
                if name in there and _is_copy(path, there[name])
            ),
            log_names.original_of(path),
        )
        groups.setdefault(original, []).append(path)
    return tuple(map(tuple, groups.values()))


def _is_copy(path: Path, original: Path) -> bool:
    """Whether both files begin with the same record, as no two machines' files of a month do."""
    if not log_names.are_of_one_month(path.name, original.name):
        return False
    first = _first_line(path)
    return first is not None and first == _first_line(original)


def _first_line(path: Path) -> bytes | None:
    try:
        with log_file.opened(path) as file:
            line = b"" if file is None else file.read(_LONGEST_LINE_BYTES, 0)
    except OfframpError:
        return None  # whoever reads the file will say so
    return line.partition(b"\n")[0] if b"\n" in line else None


class CopyFilter:
    """Passes the lines of one file and its copies, each as often as one of them holds it.

    In which order the files are read does not matter. It remembers a number for each line.
    """

    def __init__(self, members: Iterable[Path], shared_bytes: int = 0) -> None:
        """Filter `members`, which all begin with the same `shared_bytes` of whole lines.

        What stands there passes unseen: the caller takes it from one of them only.
        """
        self.members = tuple(members)
        self.shared_bytes = shared_bytes
        self._counts: dict[Path, Counter[int]] = {path: Counter() for path in self.members}
        self._passed: Counter[int] = Counter()

    def passes(self, member: Path, line: bytes) -> bool:
        """Count `line` of `member`; return whether it is a record that has not passed yet."""
        # Blanks at a line's end depend on where in its file it stands.
        key = hash(line.rstrip())
        counts = self._counts[member]
        counts[key] += 1
        if counts[key] <= self._passed[key]:
            return False
        self._passed[key] = counts[key]
        return True

    def filtered(self, member: Path, offset: int, block: bytes) -> bytes:
        """Return the whole lines of `block`, which stands at `offset` of `member`, that pass."""
        free = max(0, min(len(block), self.shared_bytes - offset))
        lines = block[free:].split(b"\n")[:-1]
        passed = [line + b"\n" for line in lines if self.passes(member, line)]
        return block[:free] + b"".join(passed)
