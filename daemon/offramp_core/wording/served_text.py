"""Who served one request and why, in a few words. Pure: it reads what the request log says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.services import DELEGATE, service_of
from offramp_core.settings import ANTHROPIC
from offramp_core.wording import autopilot_text, quota_text, trouble_text
from offramp_core.wording.formatting import backend_name, format_moment, printable

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from offramp_core.control.api import Status
    from offramp_core.usage.records import RequestRecord

_LONGEST_NAME = 30
_LONGEST_REASON = 60
_ARROW = " → "
_VERSION = re.compile(r" \d[\d.]*$")
_STOOD_IN = re.compile(
    r"(?P<backend>\S+) (?:failed|bypassed|skipped) \((?P<why>[^:)]*).*\), served by \S+"
)
"""As `offramp_daemon.proxy.failover` records it: `zai failed (overloaded), served by anthropic`."""
_NO_KEY = re.compile(r"no key for (?P<backend>\S+)")

_CAUSES = {
    "quota spent": "{name} quota used up",
    "account trouble": "{name} account or plan",
    "refused it": "{name} refused it",
    api.KEY_REFUSED: "{name} refuses the key",
    api.LIMIT: "{name} quota used up",
    api.ACCOUNT: "{name} account or plan",
    api.OVERLOADED: "{name} is overloaded",
    api.BUSY: "{name} is at its concurrency limit",
    api.UNREACHABLE: "{name} can't be reached",
    api.FAILING: "{name} fails",
    api.REFUSED: "{name} refused it",
    api.UNKNOWN_MODEL: "{name} does not know the model",
    api.TOO_LONG: "too long for {name}",
    api.EMPTY_ANSWERS: "{name} gave an empty answer",
}
_OTHER_CAUSE = "{name} did not serve it"
_KEPT = {
    "context_size": "too long to delegate",
    "images": "it has images",
    "documents": "it has documents",
    "server_tools": "it uses Claude's own tools",
    "safety_check": "Claude has to check its tool calls",
    "quota_probe": "a look at the quota",
}
_PLAIN = {
    "delegation is off": "delegation is off",
    "conversation goes on": "its conversation is there",
    "thread goes on": "its conversation is there",
}


@dataclass(frozen=True, slots=True)
class Served:
    """One request in words."""

    text: str
    """`Sonnet → GLM-4.7`, or `Sonnet → Claude: Z.ai quota used up until 14:00`."""
    has_cause: bool
    """Whether it says why."""
    is_trouble: bool
    """Whether that is something to look at."""


@dataclass(frozen=True, slots=True)
class _Cause:
    text: str = ""
    is_trouble: bool = False


def served_text(record: RequestRecord, status: Status, now: datetime, zone: tzinfo) -> Served:
    """Say who served `record`; `status` is the daemon at `now`, for how long a cause lasts."""
    asked, by = _asked(record.model), _server(record)
    text = by if asked == by else f"{asked}{_ARROW}{by}"
    if record.status == "error":
        code = f" (HTTP {record.http_status})" if record.http_status else ""
        return Served(f"{text} failed{code}", has_cause=True, is_trouble=True)
    cause = _cause(record, status, now, zone)
    if not cause.text:
        return Served(text, has_cause=False, is_trouble=False)
    return Served(f"{text}: {cause.text}", has_cause=True, is_trouble=cause.is_trouble)


def _asked(model: str | None) -> str:
    """`Sonnet` for `claude-sonnet-5-5`; another model by its name."""
    if model is None:
        return "Request"
    title = trouble_text.model_title(model)
    return _model_name(model) if title == printable(model) else _VERSION.sub("", title)


def _server(record: RequestRecord) -> str:
    """Claude, or the delegate's model; where its answer named none, the delegate."""
    if record.backend is None:
        return "nobody"
    model = record.served_model
    if record.backend == ANTHROPIC or not model or model.startswith("claude"):
        return _name(record.backend)  # a delegate may repeat the name that it was asked for
    return _model_name(model, record.backend)


def _model_name(model: str, backend: str = DELEGATE.name) -> str:
    known = (each.name for each in service_of(backend).models)
    shown = next((name for name in known if name.lower() == model.lower()), model)
    return printable(shown)[:_LONGEST_NAME]


def _cause(record: RequestRecord, status: Status, now: datetime, zone: tzinfo) -> _Cause:
    reason = record.reason or ""
    if reason.startswith("overflow"):
        return _Cause("Claude plan used up")
    if found := _STOOD_IN.match(reason):
        return _Cause(_stood_in(found["backend"], found["why"], status, now, zone), True)
    if found := autopilot_text.SENTENCE.match(reason):
        return _Cause(f"autopilot, {_shown(found['why'])}")
    if record.backend != ANTHROPIC:
        return _Cause()
    if reason == "paused":
        return _Cause(_paused(status, now, zone))
    if found := _NO_KEY.match(reason):
        return _Cause(f"no key for {_name(found['backend'])}", True)
    if reason.startswith("kept: "):
        rule = reason.removeprefix("kept: ")
        return _Cause(_KEPT.get(rule, f"kept by {_shown(rule)}"))
    return _Cause(_PLAIN.get(reason, ""))


def _stood_in(backend: str, why: str, status: Status, now: datetime, zone: tzinfo) -> str:
    """Why another served it, and until when that holds, if it still does and anybody knows."""
    text = _CAUSES.get(why, _OTHER_CAUSE).format(name=_name(backend))
    bypass = next((each.bypass for each in status.backends if each.name == backend), None)
    if bypass is None or bypass.until is None or bypass.until <= now:
        return text
    if _CAUSES.get(bypass.cause) != _CAUSES.get(why):
        return text
    return f"{text} until {quota_text.reset_text(bypass.until, now, zone)}"


def _paused(status: Status, now: datetime, zone: tzinfo) -> str:
    if status.pause is None:
        return "delegation was paused"
    if status.pause.until is None:
        return "delegation paused"
    return f"delegation paused until {format_moment(status.pause.until, now, zone)}"


def _name(backend: str) -> str:
    return printable(backend_name(backend))[:_LONGEST_NAME]


def _shown(text: str) -> str:
    return printable(text)[:_LONGEST_REASON]
