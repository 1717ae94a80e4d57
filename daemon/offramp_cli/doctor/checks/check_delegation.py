"""Whether requests reach the delegate, as the daemon has seen it: who refuses them, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.control import api
from offramp_core.wording import trouble_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.api import DelegationTrouble, Status


def judge(status: Status | None, *, now: datetime, zone: tzinfo) -> Iterator[Remark]:
    """What keeps requests from being delegated, with what the daemon does about it."""
    if status is None:
        yield note("Not known: the daemon says nothing.")
        return
    for trouble in status.troubles:
        yield _remark(trouble, now, zone)
    for fallback in status.fallbacks:
        yield note(
            trouble_text.fallback_text(fallback, now, zone),
            trouble_text.fallback_cure_text(fallback),
        )
    if status.troubles or status.fallbacks:
        return
    if status.delegation == "never":
        yield ok("Delegation is off in the settings.")
    else:
        yield ok("The daemon has met nothing that keeps requests from being delegated.")


def _remark(trouble: DelegationTrouble, now: datetime, zone: tzinfo) -> Remark:
    """A failure where none of a model's requests are served, else a warning."""
    is_partial = trouble.cause == api.KEPT or trouble.is_in_one_conversation
    next_try = trouble_text.next_try_text(trouble, now, zone)
    return (warning if is_partial else failure)(
        trouble_text.cause_text(trouble, now, zone),
        f"{trouble_text.cure_text(trouble)} {next_try}".rstrip(),
    )
