"""Stands in for the programs of a service manager: records what is run, answers as told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.login_item.runner import TIMEOUT_S, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Answer = Ran | Callable[[], Ran]


@dataclass
class CommandRecorder:
    """Answers each command by the longest of `answers` that it begins with; others succeed."""

    answers: dict[str, Answer] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def __call__(self, command: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Ran:
        assert timeout_s > 0
        line = " ".join(command)
        self.ran.append(line)
        matching = [beginning for beginning in self.answers if line.startswith(beginning)]
        if not matching:
            return Ran(0)
        answer = self.answers[max(matching, key=len)]
        return answer if isinstance(answer, Ran) else answer()

    def without(self, *beginnings: str) -> list[str]:
        """What was run, save for commands that only look."""
        return [line for line in self.ran if not line.startswith(beginnings)]
