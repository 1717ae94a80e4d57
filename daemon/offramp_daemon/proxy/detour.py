"""Why delegates did not serve a request, and the words for it in its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_daemon.messages.answers import outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_daemon.messages.answers.errors import Failure
    from offramp_daemon.messages.answers.outcome import Outcome
    from offramp_daemon.routing.decision import Decision
    from offramp_daemon.trouble.watch import Skip

_WORDS = {api.LIMIT: "quota spent", api.ACCOUNT: "account trouble"}


@dataclass(slots=True, eq=False)
class Miss:
    """Why the delegate of `decision` does not serve a request.

    It failed with `failure`, or was not asked: the breaker bars it for `cause`, or it would only
    refuse this again, or it can't take such a request (`is_unfit`).
    """

    decision: Decision
    cause: str | None
    failure: Failure | None = None
    skip: Skip | None = None
    is_unfit: bool = False
    is_reported: bool = False
    """Whether the listeners know how it ended there."""

    @property
    def ended(self) -> Outcome | None:
        """How it ended; None where the delegate was not asked."""
        return None if self.failure is None else outcome.of_failure(self.failure)

    @property
    def words(self) -> str:
        """What is recorded of it: `kimi failed (overloaded)`."""
        return f"{self.decision.backend.name} {self._what}"

    @property
    def _what(self) -> str:
        if self.skip is not None:
            detail = f": {self.skip.detail}" if self.skip.detail else ""
            return f"skipped ({self.skip.cause}{detail})"
        if self.is_unfit:
            return f"skipped ({self.cause})"
        return f"{'failed' if self.failure else 'bypassed'} ({_word(self.cause)})"


def served_by(backend: str | None, misses: Sequence[Miss]) -> str:
    """The reason in the record of a request that `backend`, or nobody, serves after others."""
    words = ", ".join(miss.words for miss in misses)
    return words if backend is None else f"{words}, served by {backend}"


def _word(kind: str | None) -> str:
    return "refused it" if kind is None else _WORDS.get(kind, kind)
