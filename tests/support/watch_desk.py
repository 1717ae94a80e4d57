"""A watch of delegation at a desk: a clock to be set, and requests in a few words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from offramp_core.control import api
from offramp_daemon.trouble import runs
from offramp_daemon.trouble.watch import DelegationWatch, Skip, Subject, TroubleChange

SONNET = "claude-sonnet-5-5"
HAIKU = "GLM-4.5-Air"
DETAIL = "HTTP 400, code 1210"
NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)


@dataclass
class Desk:
    """The watch, and what it announced."""

    now: datetime = NINE
    is_bypassed: bool = False
    changes: list[TroubleChange] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self.watch = DelegationWatch(
            lambda: self.now, is_bypassed=lambda _name, _model: self.is_bypassed
        )
        self.watch.follow(self.changes.append)
        self.watch.on_state = self.note_write

    def note_write(self) -> None:
        self.writes += 1

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def ask(
        self,
        session: str = "s1",
        model: str = SONNET,
        *,
        cause: str | None = api.REFUSED,
        mark: str = "m1",
        may_skip: bool = True,
    ) -> Skip | None:
        """One request: skipped, or failed for `cause`, or served where that is None."""
        subject = about(session, model, mark=mark)
        skip = self.watch.skip_for(subject) if may_skip else None
        if skip is not None:
            self.watch.note_stood_in(subject, skip.cause)
            return skip
        self.watch.note_sent(subject)
        if cause is None:
            self.watch.note_begun(subject)
            self.watch.note_served(subject)
            return None
        if cause == api.EMPTY_ANSWERS:
            self.watch.note_begun(subject)
        self.watch.note_failed(subject, cause, DETAIL)
        if may_skip and cause != api.EMPTY_ANSWERS:
            self.watch.note_stood_in(subject, cause)
        return None

    def is_sent(self, session: str = "s1", model: str = SONNET, *, mark: str = "m1") -> bool:
        """Whether a request would go to the backend now; changes nothing."""
        return self.watch.skip_for(about(session, model, mark=mark)) is None

    @property
    def announced(self) -> list[tuple[str, bool]]:
        return [(change.trouble.cause, change.is_over) for change in self.changes]


def about(
    session: str = "s1", model: str = SONNET, *, mark: str = "m1", agent: str = ""
) -> Subject:
    session = session or runs.UNNAMED
    return Subject(
        backend="zai", model=model, mark=mark, session=session, conversation=f"{session}/{agent}"
    )
