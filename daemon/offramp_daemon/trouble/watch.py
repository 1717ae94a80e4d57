"""Counts, by cause, the delegated requests that Claude had to serve, and finds what to skip.

It decides and remembers; it sends nothing, reads no file and shows nothing. Whoever wants to know
of troubles that begin and end follows it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from offramp_core.control import api
from offramp_core.control.api import DelegationTrouble, StandIns
from offramp_daemon.clock import Clock, utc_now
from offramp_daemon.trouble import runs
from offramp_daemon.trouble.runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from offramp_daemon.trouble.runs import Key

_MOST_RUNS: Final = 200
"""Models' names come from clients."""
_MOST_COUNTS: Final = 200
_MOST_CONVERSATIONS: Final = 500
_OTHER: Final = "other"
"""Counts requests that Claude served for a cause that has no name."""

_LOG = logging.getLogger(__name__)

CountKey = tuple[str, str, str]
"""Backend, model and cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request that belongs at a backend is about."""

    backend: str
    model: str
    """As it is sent there."""
    mark: str
    """Of the settings that it was routed by; another mark, another run."""
    session: str = runs.UNNAMED
    """Whose requests are alike: those of a session and of its agents."""
    conversation: str = runs.UNNAMED
    """Whose requests grow together: those of one agent of a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Why a request does not go to its backend."""

    cause: str
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleChange:
    """A trouble that begins, or is over."""

    trouble: DelegationTrouble
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """All that is remembered, to be written down."""

    runs: tuple[Run, ...]
    ended: dict[Key, datetime]
    """When runs ended that this process has known, so that no file brings them back."""
    counts: tuple[StandIns, ...]
    """What Claude has served since this process began."""


class DelegationWatch:
    """The runs of all backends and models. Only used from the event loop; nothing in it blocks."""

    def __init__(
        self,
        clock: Clock = utc_now,
        *,
        is_bypassed: Callable[[str, str], bool] = lambda _backend, _model: False,
    ) -> None:
        """All is well, as far as is known.

        `is_bypassed` says of a backend's and a model's names whether the circuit breaker bars them,
        which is shown already.
        """
        self._clock = clock
        self._is_bypassed = is_bypassed
        self._runs: dict[Key, Run] = {}
        self._trying: dict[Key, str] = {}
        """The conversations whose request tries the backend at present."""
        self._ended: dict[Key, datetime] = {}
        self._shown: dict[Key, DelegationTrouble] = {}
        self._counts: dict[CountKey, StandIns] = {}
        self._own_counts: dict[CountKey, StandIns] = {}
        self._sent_to_claude: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        """For which cause Claude has served a backend's and a model's conversation first."""
        self._followers: list[Callable[[TroubleChange], None]] = []
        self.on_state: Callable[[], None] = lambda: None
        """Is called whenever what is to be written down has changed."""

    def follow(self, callback: Callable[[TroubleChange], None]) -> None:
        """Have `callback` called whenever a trouble begins, or is over."""
        self._followers.append(callback)

    @property
    def is_calm(self) -> bool:
        """Whether no run is remembered, so that a request that was served is not news."""
        return not self._runs

    def troubles(self) -> tuple[DelegationTrouble, ...]:
        """Why delegation does not work at present, the most requests first."""
        return tuple(sorted(self._found().values(), key=lambda each: -each.requests))

    def stand_ins(self) -> tuple[StandIns, ...]:
        """How many requests Claude has served instead, by backend, model and cause."""
        return tuple(sorted(self._counts.values(), key=lambda each: -each.requests))

    def skip_for(self, subject: Subject) -> Skip | None:
        """Why a request should skip its backend; None if it should go there, be it as a probe.

        Changes nothing: say by `note_sent` that it goes there.
        """
        now = self._clock()
        for run in self._runs_of(subject):
            is_same = run.mark == subject.mark and run.skips(subject.session)
            if is_same and not run.is_due(now):
                return Skip(cause=run.cause, detail=run.detail)
        return None

    def note_sent(self, subject: Subject) -> None:
        """A request goes to its backend: where others skip it, it is the one that tries."""
        for run in self._runs_of(subject):
            if run.mark != subject.mark:
                self._end(run)
            elif run.skips(subject.session):
                self._trying[run.key] = subject.session
                self._put(run.tried(self._clock()))

    def note_failed(self, subject: Subject, cause: str, detail: str | None = None) -> None:
        """The backend has failed a request for `cause`, a `DelegationTrouble.cause`.

        What the circuit breaker bars the backend for at once makes no run: that is shown by it.
        """
        if cause not in runs.NOTICED:
            return
        now = self._clock()
        key = (subject.backend, subject.model, cause, None)
        self._trying.pop(key, None)
        run = self._run(key, subject, now)
        self._put(run.failed(_who(run, subject), now, detail))

    def note_begun(self, subject: Subject) -> None:
        """The backend has begun to answer: it knows the model, and takes the request as it is."""
        self._served(subject, runs.OF_REQUESTS - {api.EMPTY_ANSWERS})

    def note_served(self, subject: Subject) -> None:
        """The backend has served a request."""
        self._served(subject, None)

    def note_undecided(self, subject: Subject) -> None:
        """A request ended without an answer: if it was to try the backend, another one does so."""
        for run in self._runs_of(subject):
            if self._trying.get(run.key) == subject.session and run.skips(subject.session):
                del self._trying[run.key]
                self._put(run.due_at(self._clock()))

    def note_kept(self, subject: Subject, rule: str) -> None:
        """A rule keeps a request on Claude that belongs at a backend."""
        if rule in runs.UNCOUNTED:
            return
        now = self._clock()
        key = (subject.backend, subject.model, api.KEPT, rule)
        run = self._run(key, subject, now)
        who = _who(run, subject)
        self._put(run.failed(who, now, None).stood_in(who, now))

    def note_delegated(self, subject: Subject) -> None:
        """No rule keeps this request on Claude."""
        for run in self._runs_of(subject):
            if run.cause == api.KEPT:
                self._replace(run, run.delegated(_who(run, subject)))

    def note_stood_in(self, subject: Subject, cause: str | None) -> None:
        """Claude serves a request that the backend failed, or was not asked for, for `cause`."""
        now, named = self._clock(), cause or _OTHER
        self._remember(subject, named)
        self._count((subject.backend, subject.model, named), now)
        run = self._runs.get((subject.backend, subject.model, named, None))
        if run is not None and run.mark == subject.mark:
            self._put(run.stood_in(_who(run, subject), now))
        else:
            self.on_state()

    def note_stayed(self, subject: Subject) -> None:
        """Claude serves a request since its conversation is there, maybe for what has failed."""
        for run in self._runs_of(subject):
            is_same = run.cause in runs.OF_REQUESTS and run.mark == subject.mark
            if is_same and _who(run, subject) in run.rows:
                self.note_stood_in(subject, run.cause)
                return
        cause = self._sent_to_claude.get((subject.backend, subject.model, subject.conversation))
        if cause is not None and cause not in runs.OF_REQUESTS:
            self._count((subject.backend, subject.model, cause), self._clock())
            self.on_state()

    def settle(self, is_current: Callable[[Run], bool] = lambda _run: True) -> None:
        """End runs that came about under other settings, or that are old; announce what is over."""
        now = self._clock()
        for run in list(self._runs.values()):
            if not is_current(run) or run.latest + runs.FORGOTTEN_AFTER < now:
                self._end(run)
        self._announce()

    def state(self) -> WatchState:
        """What is to be written down."""
        return WatchState(
            runs=tuple(self._runs.values()),
            ended=dict(self._ended),
            counts=tuple(self._own_counts.values()),
        )

    def adopt(
        self, found: Iterable[Run], counts: Iterable[StandIns], since: WatchState | None = None
    ) -> None:
        """Take over what a file holds, which another process may have written too.

        `counts` are all that is counted up to `since`, a state of this process; None for none.
        """
        for run in found:
            known, ended = self._runs.get(run.key), self._ended.get(run.key)
            is_newer = known is None or run.latest > known.latest
            if is_newer and (ended is None or run.latest > ended):
                self._runs[run.key] = run
        counted = {_count_key(each): each for each in since.counts} if since else {}
        self._counts = {_count_key(each): each for each in counts}
        for key, own in self._own_counts.items():
            before = counted.get(key)
            self._add(
                self._counts, key, own.since, own.requests - (before.requests if before else 0)
            )
        self._announce()

    def _run(self, key: Key, subject: Subject, now: datetime) -> Run:
        """The run of that key, begun if there is none under the present settings."""
        run = self._runs.get(key)
        if run is not None and run.mark == subject.mark:
            return run
        backend, model, cause, rule = key
        return Run(
            backend=backend,
            model=model,
            cause=cause,
            rule=rule,
            mark=subject.mark,
            since=now,
            latest=now,
        )

    def _runs_of(self, subject: Subject) -> list[Run]:
        if not self._runs:
            return []
        return [
            run
            for run in self._runs.values()
            if run.model == subject.model and run.backend == subject.backend
        ]

    def _served(self, subject: Subject, causes: frozenset[str] | None) -> None:
        for run in self._runs_of(subject):
            if run.cause != api.KEPT and (causes is None or run.cause in causes):
                self._trying.pop(run.key, None)
                self._replace(run, run.served(_who(run, subject)))

    def _replace(self, run: Run, left: Run | None) -> None:
        if left is None:
            self._end(run)
        elif left is not run:
            self._put(left)

    def _put(self, run: Run) -> None:
        if run.key not in self._runs and len(self._runs) >= _MOST_RUNS:
            self._end(min(self._runs.values(), key=lambda each: each.latest))
        self._runs[run.key] = run
        self._changed()

    def _end(self, run: Run) -> None:
        self._runs.pop(run.key, None)
        self._trying.pop(run.key, None)
        self._ended[run.key] = self._clock()
        if len(self._ended) > _MOST_RUNS:
            del self._ended[next(iter(self._ended))]
        self._changed()

    def _count(self, key: CountKey, now: datetime) -> None:
        self._add(self._counts, key, now, 1)
        self._add(self._own_counts, key, now, 1)

    def _add(
        self, counts: dict[CountKey, StandIns], key: CountKey, now: datetime, number: int
    ) -> None:
        before = counts.get(key)
        if before is not None:
            counts[key] = msgspec.structs.replace(before, requests=before.requests + number)
        elif number and len(counts) < _MOST_COUNTS:
            backend, model, cause = key
            counts[key] = StandIns(
                backend=backend, model=model, cause=cause, since=now, requests=number
            )

    def _remember(self, subject: Subject, cause: str) -> None:
        key = subject.backend, subject.model, subject.conversation
        self._sent_to_claude[key] = cause
        self._sent_to_claude.move_to_end(key)
        if len(self._sent_to_claude) > _MOST_CONVERSATIONS:
            self._sent_to_claude.popitem(last=False)

    def _changed(self) -> None:
        self.on_state()
        self._announce()

    def _found(self) -> dict[Key, DelegationTrouble]:
        """What there is to say at this moment."""
        now, found = self._clock(), {}
        for key, run in self._runs.items():
            trouble = run.trouble(now)
            is_said = run.cause in runs.OF_SERVICE and self._is_bypassed(run.backend, run.model)
            if trouble is not None and not is_said:
                found[key] = trouble
        return found

    def _announce(self) -> None:
        """Call the followers for what is shown from now on, and for what is not any more."""
        if not self._runs and not self._shown:
            return
        before, self._shown = self._shown, self._found()
        over = [trouble for key, trouble in before.items() if key not in self._shown]
        begun = [trouble for key, trouble in self._shown.items() if key not in before]
        for trouble in over:
            self._call(TroubleChange(trouble=trouble, is_over=True))
        for trouble in begun:
            self._call(TroubleChange(trouble=trouble, is_over=False))

    def _call(self, change: TroubleChange) -> None:
        for callback in self._followers:
            try:
                callback(change)
            except Exception:  # noqa: BLE001 - no request may fail for it
                _LOG.exception("A follower of the troubles failed")


def _who(run: Run, subject: Subject) -> str:
    """Under which name the run counts a request."""
    return subject.conversation if run.is_by_conversation else subject.session


def _count_key(count: StandIns) -> CountKey:
    return count.backend, count.model, count.cause
