"""What goes elsewhere than it belongs, in words: one wording for command line, tray and window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.quota import windows
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import quota_text, trouble_text
from offramp_core.wording.formatting import backend_name, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from offramp_core.control.api import BackendStatus, Bypass, Status
    from offramp_core.quota.windows import PlanQuota

_LONGEST_NAME = 40
_LONGEST_WHY = 200

_CAUSES = {
    api.KEY_REFUSED: "{name} refuses the key",
    api.LIMIT: "{name}'s quota is used up",
    api.ACCOUNT: "Your {name} account or plan does not allow this",
    api.OVERLOADED: "{name} is overloaded",
    api.BUSY: "{name} is at its concurrency limit",
    api.UNREACHABLE: "{name} can't be reached",
    api.FAILING: "{name} keeps failing",
}
_MOST_MODELS = 3
"""More would be a list, not a sentence."""
_OTHER_CAUSE = "{name} can't serve it right now"
_UNCLEAR = frozenset({api.ACCOUNT, api.FAILING, api.UNREACHABLE})
"""Causes that may have many reasons, so that the backend's own error says more."""
_FOR_THE_USER = frozenset({api.KEY_REFUSED, api.ACCOUNT})
"""Causes that do not pass by themselves."""
_OF_ALL = frozenset({api.KEY_REFUSED, api.LIMIT, api.UNREACHABLE})
"""Causes that no model of a backend escapes; the others may concern only one model."""


def bypass_text(
    backend: BackendStatus,
    plan: PlanQuota | None,
    now: datetime,
    zone: tzinfo,
    routed: Sequence[str] = (),
) -> str:
    """Cause and effect: `Z.ai's quota is used up (5 hours): Sonnet and Haiku go to Claude until …`.

    Empty where nothing of the backend's goes elsewhere. `plan` is what is known of its limits, and
    `routed` are the models' names that the settings send there.
    """
    bypass = backend.bypass
    if bypass is None:
        return ""
    cause = cause_text(backend.name, bypass, plan, now)
    return f"{cause}: {effect_text(bypass, now, zone, routed)}"


def unreached(status: Status) -> str:
    """Name the backends that get no request at present, whatever the model: `Z.ai`.

    Empty for none.
    """
    names = [
        _shown(backend.name)
        for backend in status.backends
        if backend.bypass is not None
        and backend.bypass.family is None
        and backend.bypass.cause in _OF_ALL
    ]
    return _listed(names) if names else ""


def must_be_fixed(status: Status) -> bool:
    """Whether a backend gets no request until the user does something about it."""
    bypasses = (backend.bypass for backend in status.backends)
    return any(bypass and bypass.cause in _FOR_THE_USER for bypass in bypasses)


def why_text(backend: BackendStatus) -> str:
    """What the backend answered, in a sentence, where a bypass may have many reasons.

    It names the setting that may be wrong, if there is one. Else it is empty.
    """
    bypass, error = backend.bypass, backend.last_error
    if bypass is None or error is None or error.kind != bypass.cause or error.kind not in _UNCLEAR:
        return ""
    return f"The latest error: {printable(error.why)[:_LONGEST_WHY].rstrip('.')}."


def cure_text(backend: BackendStatus) -> str:
    """What to do about a bypass, in a sentence.

    Empty without one, and for Claude's own: its quota comes back by itself.
    """
    if backend.bypass is None or backend.name == ANTHROPIC:
        return ""
    return trouble_text.cure_of(backend.bypass.cause, backend.name)


def cause_text(name: str, bypass: Bypass, plan: PlanQuota | None, now: datetime) -> str:
    """Why: `Z.ai's quota is used up (5 hours)`."""
    text = _CAUSES.get(bypass.cause, _OTHER_CAUSE).format(name=_shown(name))
    if bypass.cause != api.LIMIT or plan is None:
        return text
    spent = [
        quota_text.window_name(window.name)
        for window in quota_text.important(plan.windows)
        if windows.is_spent(window, now)
    ]
    return f"{text} ({', '.join(spent)})" if spent else text


def effect_text(bypass: Bypass, now: datetime, zone: tzinfo, routed: Sequence[str] = ()) -> str:
    """What it comes to: `Sonnet and Haiku go to Claude until 14:00`."""
    text = f"{_what(bypass, routed)} to {_shown(bypass.to)}"
    if bypass.until is None or bypass.until <= now:
        return text
    return f"{text} until {quota_text.reset_text(bypass.until, now, zone)}"


def waiting_text(backend: BackendStatus) -> str:
    """`Z.ai serves 2 at once: 3 requests wait`; empty while none waits."""
    if not backend.waiting:
        return ""
    waiting = "1 request waits" if backend.waiting == 1 else f"{backend.waiting} requests wait"
    if backend.at_once is None:
        return f"{_shown(backend.name)}: {waiting}"
    return f"{_shown(backend.name)} serves {backend.at_once} at once: {waiting}"


def _what(bypass: Bypass, routed: Sequence[str]) -> str:
    """What goes elsewhere, with its verb."""
    if bypass.family is not None:
        return f"requests for {trouble_text.model_title(bypass.family)} go"
    if bypass.cause not in _OF_ALL:
        return "what it can't serve goes"
    models = list(dict.fromkeys(quota_text.family_name(model) for model in routed))
    if not 0 < len(models) <= _MOST_MODELS:
        return "its requests go"
    return f"{_listed(models)} {'goes' if len(models) == 1 else 'go'}"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _shown(name: str) -> str:
    return printable(backend_name(name))[:_LONGEST_NAME]
