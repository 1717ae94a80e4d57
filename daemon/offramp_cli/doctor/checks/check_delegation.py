"""Whether requests reach the delegate, as the daemon has seen it: who refuses them, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.control import api
from offramp_core.quota import windows
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import delegation_text, failover_text, trouble_text
from offramp_core.wording.formatting import backend_name, format_moment, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.api import DelegationTrouble, Status

_FOR_THE_USER = frozenset({api.ACCOUNT, api.KEY_REFUSED})
"""Causes that do not end by themselves."""


def judge(status: Status | None, *, now: datetime, zone: tzinfo) -> Iterator[Remark]:
    """What keeps requests from being delegated, with what the daemon does about it."""
    if status is None:
        yield note("Not known: the daemon does not answer.")
        return
    found = [
        *_of_backends(status, now, zone),
        *(_remark(trouble, now, zone) for trouble in trouble_text.unexplained(status)),
    ]
    yield from found
    for fallback in status.fallbacks:
        yield note(
            trouble_text.fallback_text(fallback, now, zone),
            trouble_text.fallback_cure_text(fallback),
        )
    if not found and not status.fallbacks:
        yield _of_choices(status, now, zone)


def _of_choices(status: Status, now: datetime, zone: tzinfo) -> Remark:
    """What the user chose, or has not done yet; another check looks at the keys themselves."""
    if status.delegation == delegation_text.NEVER:
        return ok("Delegation is off in the settings.")
    if status.pause is not None:
        state = delegation_text.delegation_text(status, now, zone)
        return note(f"Delegation is {state}.", "To end the pause: offramp resume")
    if keyless := [each for each in status.backends if each.key == "missing" and each.is_used]:
        names = ", ".join(backend_name(each.name) for each in keyless)
        return note(f"The daemon has no key for {names}: its requests go to Claude.")
    return ok("Nothing keeps requests from being delegated.")


def _of_backends(status: Status, now: datetime, zone: tzinfo) -> Iterator[Remark]:
    """Which backends fail, and what goes elsewhere for that; a pause rests them."""
    if status.pause is not None or status.delegation == delegation_text.NEVER:
        return
    for backend in status.backends:
        bypass, error = backend.bypass, backend.last_error
        if bypass is not None:
            plan = windows.find(status.quota, backend.name)
            text = failover_text.bypass_text(backend, plan, now, zone)
            grade = failure if bypass.cause in _FOR_THE_USER else warning
            saw = f"{text}. {failover_text.why_text(backend)}".rstrip()
            yield grade(saw, failover_text.cure_text(backend))
        elif error is not None and backend.name != ANTHROPIC:
            at = format_moment(error.at, now, zone)
            why = printable(error.why).rstrip(".")
            yield warning(
                f"{backend_name(backend.name)} failed at {at}: {why}.",
                trouble_text.cure_of(error.kind, backend.name),
            )


def _remark(trouble: DelegationTrouble, now: datetime, zone: tzinfo) -> Remark:
    """A failure where none of a model's requests are served, else a warning."""
    is_partial = trouble.cause == api.KEPT or trouble.is_in_one_conversation
    next_try = trouble_text.next_try_text(trouble, now, zone)
    return (warning if is_partial else failure)(
        trouble_text.cause_text(trouble, now, zone),
        f"{trouble_text.cure_text(trouble)} {next_try}".rstrip(),
    )
