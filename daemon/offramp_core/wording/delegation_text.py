"""Whether requests are delegated, and what to do about a missing key: one wording for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.services import DELEGATE
from offramp_core.wording import failover_text, trouble_text
from offramp_core.wording.formatting import backend_name, format_moment, printable

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from offramp_core.control.api import Status

NEVER = "never"
AUTO = "auto"
"""Of `Status.delegation`, what is to be said."""

_LONGEST_NAME = 40


def delegation_text(status: Status, now: datetime, zone: tzinfo) -> str:
    """Return whether requests are delegated, which are not, and until when not."""
    if status.pause is not None:
        until = status.pause.until
        return f"paused until {format_moment(until, now, zone) if until else 'you resume it'}"
    if status.delegation == NEVER:
        return "off (settings)"
    mode = "on, auto" if status.delegation == AUTO else "on"
    if missing := keyless(status):
        return f"{mode}, but no key for {', '.join(map(_shown, missing))}"
    if unreached := failover_text.unreached(status):
        return f"{mode}, but nothing reaches {unreached}"
    stopped = trouble_text.stopped_models(trouble_text.unexplained(status))
    return f"{mode}, but not working for {stopped}" if stopped else mode


def keyless(status: Status) -> tuple[str, ...]:
    """Return the backends in use without the key that they need, unless it is about to come.

    None where the settings delegate nothing: nobody misses a key then.
    """
    if status.delegation == NEVER:
        return ()
    return tuple(
        backend.name
        for backend in status.backends
        if backend.key == "missing" and backend.is_used and backend.key_note != api.KEY_AWAITED
    )


def key_cure(backend: str) -> str:
    """Return what to do where a backend's key is missing or refused, as the end of a sentence."""
    name = "" if backend == DELEGATE.name else f" {printable(backend)[:_LONGEST_NAME]}"
    return f"set it in the settings, or run offramp key set{name}"


def _shown(backend: str) -> str:
    return backend_name(backend)[:_LONGEST_NAME]
