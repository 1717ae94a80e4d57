"""One run of requests that a backend failed, or that a rule kept on Claude, one after the other.

Pure and immutable: each method returns what the run is then. What is remembered is also what is
written to disk; of conversations that is only their id.

Refusals of the same kind come from what clients send, so they are counted by conversation: one odd
conversation must not keep the others from the backend, nor may the others, which are served, hide
that it is refused again and again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from offramp_core.control import api
from offramp_core.control.api import DelegationTrouble, Moment

SKIPPED: Final = frozenset({api.REFUSED, api.UNKNOWN_MODEL, api.EMPTY_ANSWERS})
"""Causes that the next request meets again: with them the backend is not asked. The others are for
the circuit breaker."""

OF_REQUESTS: Final = SKIPPED | {api.TOO_LONG}
"""Causes that lie in what clients send."""
OF_SERVICE: Final = frozenset({api.OVERLOADED, api.BUSY, api.FAILING})
"""Causes that may pass by themselves, and for which the breaker does not always bar a backend."""
NOTICED: Final = OF_REQUESTS | OF_SERVICE
"""Causes whose runs are remembered."""
_WITHOUT_ROWS: Final = frozenset({api.OVERLOADED, api.BUSY})
"""Causes that no conversation brings about by itself."""

PROBE_EVERY: Final = timedelta(minutes=15)
"""While requests skip the backend, one goes there so often."""
FORGOTTEN_AFTER: Final = timedelta(days=7)
"""A run of which nothing was heard for so long says nothing of today."""
SHOWN_FOR: Final = timedelta(hours=1)
"""A conversation that was silent for so long has probably ended, and its trouble with it."""

ENOUGH_CONVERSATIONS: Final = 2
ENOUGH_IN_ONE: Final = 3
ENOUGH_STOOD_IN: Final = 5
"""So many requests of one conversation Claude serves, at least one of which was refused: while its
prompt cache is warm there, the others do not ask the backend again."""
ENOUGH_OF_ALL: Final = 10
"""In a row, and whatever the conversation: for causes that may pass by themselves, say."""
ENOUGH_KEPT: Final = 10
"""For rules that keep requests on Claude, if several conversations are concerned."""
ENOUGH_KEPT_IN_ONE: Final = 20

BY_CONVERSATION: Final = frozenset({"context_size", api.TOO_LONG})
"""Rules and causes that say something of one conversation only: it has outgrown the model."""
SAFEGUARDS: Final = "safeguards"
"""Stands for the rule `safety_check` where it keeps the work itself on Claude, not only a check."""
UNCOUNTED: Final = frozenset({"quota_probe", "safety_check"})
"""Rules that are about single requests, which are best served by Claude."""

UNNAMED: Final = "?"
"""How the names begin that stand for requests without a conversation: behind it, what is alike."""

MOST_ROWS: Final = 64

Key = tuple[str, str, str, str | None]
"""Backend, model, cause, and the rule for `api.KEPT`."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The latest requests of one conversation, none of which the backend has served."""

    since: Moment
    latest: Moment
    failed: int = 0
    """How many were refused, or kept."""
    stood_in: int = 0
    """How many Claude has served."""

    @property
    def is_lasting(self) -> bool:
        """Whether it was refused so often that asking again is useless."""
        return self.failed >= ENOUGH_IN_ONE

    @property
    def is_telling(self) -> bool:
        """Whether it shows that delegation does not work for this conversation."""
        return self.is_lasting or self.stood_in >= ENOUGH_STOOD_IN


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one backend fails of one model for one cause, since it last served it."""

    backend: str
    model: str
    """As it is sent."""
    cause: str
    """As a `DelegationTrouble.cause`."""
    rule: str | None = None
    mark: str
    """Of the settings under which it came about."""
    since: Moment
    latest: Moment
    detail: str | None = None
    rows: dict[str, Row] = {}
    """By conversation, the latest last."""
    recent: tuple[str, ...] = ()
    """Conversations with a failure since the model was last served; no more than are needed."""
    in_row: int = 0
    """Failures since the model was last served, whoever asked."""
    requests: int = 0
    """How many Claude has served."""
    next_try: Moment | None = None
    """While requests skip the backend: when one is sent there."""

    @property
    def key(self) -> Key:
        """What there is only one run of."""
        return self.backend, self.model, self.cause, self.rule

    @property
    def is_by_conversation(self) -> bool:
        """Whether it says nothing of other conversations, however many it has seen."""
        return (self.rule or self.cause) in BY_CONVERSATION

    @property
    def is_general(self) -> bool:
        """Whether several conversations are concerned, and nobody was served meanwhile."""
        if self.is_by_conversation or self.cause in OF_SERVICE:
            return False
        return len(self.recent) >= ENOUGH_CONVERSATIONS

    @property
    def _is_everywhere(self) -> bool:
        """Whether so many have failed in a row that it is not about single conversations.

        Where all are too long, in several of them, a limit on the way is too small for any.
        """
        if not self.is_by_conversation:
            return self.in_row >= ENOUGH_OF_ALL
        if self.cause != api.TOO_LONG or len(self.recent) < ENOUGH_CONVERSATIONS:
            return False
        return max(self.in_row, self.requests) >= ENOUGH_OF_ALL

    def skips(self, who: str) -> bool:
        """Whether a request of the conversation `who` would only be refused again."""
        if self.cause not in SKIPPED:
            return False
        row = self.rows.get(who)
        return self.is_general or (row is not None and row.is_lasting)

    def is_due(self, now: Moment) -> bool:
        """Whether one request is to try. A clock that was set back keeps nobody waiting."""
        return self.next_try is None or not now < self.next_try <= now + 2 * PROBE_EVERY

    def failed(self, who: str, now: Moment, detail: str | None) -> Run:
        """Return the run with one more request that was refused, or kept."""
        before = self.rows.get(who) or Row(since=now, latest=now)
        row = msgspec.structs.replace(before, latest=now, failed=before.failed + 1)
        is_new = len(self.recent) < ENOUGH_CONVERSATIONS and who not in self.recent
        run = msgspec.structs.replace(
            self,
            latest=now,
            detail=detail or self.detail,
            rows=_with(self.rows, who, row),
            recent=(*self.recent, who) if is_new and not _is_unnamed(who) else self.recent,
            in_row=self.in_row + 1,
        )
        return run.tried(now) if run.skips(who) else run

    def tried(self, now: Moment) -> Run:
        """Return the run once a request tries the backend; the next one does so in a while."""
        return msgspec.structs.replace(self, next_try=now + PROBE_EVERY)

    def due_at(self, now: Moment) -> Run:
        """Return the run with a try due: the one that was out has ended without an answer."""
        return msgspec.structs.replace(self, next_try=now)

    def stood_in(self, who: str, now: Moment) -> Run:
        """Return the run with one more request that Claude has served."""
        before = self.rows.get(who) or Row(since=now, latest=now)
        row = msgspec.structs.replace(before, latest=now, stood_in=before.stood_in + 1)
        return msgspec.structs.replace(
            self, latest=now, rows=_with(self.rows, who, row), requests=self.requests + 1
        )

    def served(self, who: str) -> Run | None:
        """Return what is left of the run once the backend has served a request of `who`.

        While all were skipped, nothing is left: what barred everybody is over. Else other
        conversations may still be refused.
        """
        is_of_all = self.is_general or self.cause in _WITHOUT_ROWS
        return None if is_of_all else self._without(who)

    def delegated(self, who: str) -> Run | None:
        """Return what is left of a run of kept requests once one of `who` is not kept."""
        return self._without(who) if self.is_by_conversation else None

    def _without(self, who: str) -> Run | None:
        """What is left once `who` is served; the run itself where that is not news."""
        if who not in self.rows and not self.in_row:
            return self
        rows = {name: row for name, row in self.rows.items() if name != who}
        if not rows:
            return None
        return msgspec.structs.replace(
            self,
            rows=rows,
            recent=(),
            in_row=0,
            since=min(row.since for row in rows.values()),
            requests=sum(row.stood_in for row in rows.values()),
            next_try=self.next_try if any(row.is_lasting for row in rows.values()) else None,
        )

    def trouble(self, now: Moment) -> DelegationTrouble | None:
        """Return what there is to say of it; None while it shows nothing."""
        if self.cause == api.KEPT and not self.is_by_conversation:
            enough = ENOUGH_KEPT if self.is_general else ENOUGH_KEPT_IN_ONE
            return self._of_all() if self.in_row >= enough else None
        if self.is_general or self._is_everywhere:
            return self._of_all()
        if self.cause in _WITHOUT_ROWS:
            return None
        telling = {
            who: row
            for who, row in self.rows.items()
            if row.is_telling and row.latest + SHOWN_FOR > now
        }
        if not telling:
            return None
        return msgspec.structs.replace(
            self._of_all(),
            since=min(row.since for row in telling.values()),
            requests=sum(row.stood_in for row in telling.values()),
            is_in_one_conversation=not any(map(_is_unnamed, telling)),
        )

    def _of_all(self) -> DelegationTrouble:
        return DelegationTrouble(
            backend=self.backend,
            model=self.model,
            cause=self.cause,
            since=self.since,
            requests=self.requests,
            detail=self.detail,
            rule=self.rule,
            next_try=self.next_try,
        )


def unnamed(alike: str) -> str:
    """The name that stands for requests without a conversation that are `alike`."""
    return f"{UNNAMED}{alike}"


def _is_unnamed(who: str) -> bool:
    return who.startswith(UNNAMED)


def _with(rows: dict[str, Row], who: str, row: Row) -> dict[str, Row]:
    """`rows` with that of `who` last; the oldest go where they are too many."""
    found = {name: each for name, each in rows.items() if name != who}
    for name in list(found)[: max(0, len(found) + 1 - MOST_ROWS)]:
        del found[name]
    return {**found, who: row}
