"""Counts a record once that stands in a file and in conflict copies of it.

A record is a line at its place in one file, so two lines of one file are two records however equal
they are. Copies began as the same file: of a line that stands in several of them, as many are
records as the file holds that has it most often.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


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
