"""Decides where a request goes and says why: a pure function of request, settings and state."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from offramp_core.settings import ANTHROPIC, Backend, KeepRules, Route, Settings
from offramp_daemon.messages.request_body import Block, RequestBody, text_of
from offramp_daemon.messages.transform import without_billing_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from offramp_daemon.routing.affinity import Conversation

BYTES_PER_TOKEN = 3.5
"""For estimates from the length of a JSON body: code and prose, with their escapes, hold 3.3 to 4
bytes a token; the low side keeps an estimate from promising room that there isn't."""

_CLASSIFIER_STOPS = frozenset({"</severity>", "</block>"})
_CLASSIFIER_PROMPT = "You are a security monitor for autonomous AI coding agents"
_QUOTA_PROBE_PROMPT = "quota"
_TIERS = ("opus", "sonnet", "haiku")
_EXECUTION = ("sonnet", "haiku")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a request goes. `route` is None where no delegation takes place."""

    backend: Backend
    reason: str
    route: Route | None = None
    is_ordinary: bool = False
    """Whether the routes alone decided, so that the reason is no news."""
    otherwise: Decision | None = None
    """Where the routes alone would send what stays on Claude by choice."""

    @property
    def is_delegated(self) -> bool:
        """Whether a backend other than the client's own gets the request."""
        return self.backend.auth != "client"


@dataclass(frozen=True, slots=True)
class Choice:
    """The autopilot's word on a conversation that is warm nowhere, and in one sentence why."""

    is_claude: bool
    why: str


class Chooser(Protocol):
    """The autopilot: asked where a conversation goes that is warm nowhere."""

    def __call__(self, model: str, delegate: str, conversation: Conversation | None) -> Choice:
        """Claude, or the backend `delegate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What beside the request and the settings decides where it goes.

    `is_warm` says whether the conversation has a warm prompt cache at a backend, `is_claude_spent`
    whether the Claude plan is known to refuse the request's model, and `choose` is the autopilot,
    asked with that model and the delegate's name; without one everything is delegated.
    """

    is_paused: bool = False
    is_warm: Callable[[Backend], bool] = lambda _backend: False
    is_claude_spent: Callable[[], bool] = lambda: False
    choose: Callable[[str, str], Choice] | None = None


def decide(
    body: RequestBody, settings: Settings, around: Circumstances = Circumstances()
) -> Decision:
    """The backend for `body`: the first route whose text its model contains, as far as it may."""
    model = body.model
    if model is None or body.is_odd:
        return _stay(settings, "no model" if body.view and not body.is_odd else "unreadable body")
    route = _route_for(model.lower(), settings)
    if route is None:
        return Decision(backend=settings.backend(ANTHROPIC), reason="default", is_ordinary=True)
    backend = settings.backend(route.backend)
    by_route = Decision(
        backend=backend, reason=f"route {route.match}", route=route, is_ordinary=True
    )
    if not by_route.is_delegated:
        return by_route
    obstacle = _obstacle(body, settings, by_route, around)
    if obstacle is not None:
        return _stay(settings, obstacle)
    if around.is_paused:
        return dataclasses.replace(
            by_route, reason="paused, conversation goes on", is_ordinary=False
        )
    return _choose(model, settings, by_route, around)


def _obstacle(
    body: RequestBody, settings: Settings, by_route: Decision, around: Circumstances
) -> str | None:
    """Why the request can't be delegated, or is not to be; None if it may."""
    backend, route = by_route.backend, by_route.route
    if settings.delegation == "never":
        return "delegation is off"
    if around.is_paused and not (settings.let_conversations_finish and around.is_warm(backend)):
        return "paused"
    if backend.key is None:
        return f"no key for {backend.name}"
    if route is None:
        return None
    kept = next(reasons_to_keep(body, backend, route, settings.keep_on_anthropic), None)
    return None if kept is None else f"kept: {kept}"


def _choose(model: str, settings: Settings, by_route: Decision, around: Circumstances) -> Decision:
    """Between the two that could serve it: where the conversation is warm, else as set.

    One that is warm at both was away for a while only, and returns. The autopilot is asked about
    execution work alone: another model's route is the user's own word, and Claude may not know it.
    """
    claude = settings.backend(ANTHROPIC)
    if around.is_warm(by_route.backend):
        return by_route
    goes_on = around.is_warm(claude)
    may_choose = settings.delegation == "auto" and _is_execution(model)
    if not goes_on and not may_choose:
        return by_route
    is_spent = around.is_claude_spent()
    if goes_on and not is_spent:
        return Decision(
            backend=claude,
            reason="conversation goes on",
            route=by_route.route,
            otherwise=by_route,
        )
    if not may_choose or around.choose is None:
        return by_route
    choice = around.choose(model, by_route.backend.name)
    if not choice.is_claude:
        return dataclasses.replace(by_route, reason=choice.why)
    if is_spent:
        return by_route
    return Decision(backend=claude, reason=choice.why, route=by_route.route, otherwise=by_route)


def overflow(body: RequestBody, settings: Settings) -> Decision | None:
    """Where a request goes that belongs on Claude, once its plan is spent; None if nowhere.

    That is the first delegate that the routes name, has a key, and can serve the request at all.
    """
    if not settings.overflow or settings.delegation == "never" or body.is_odd:
        return None
    if body.model is None or is_quota_probe(body):
        return None
    routed = [(route, settings.backend(route.backend)) for route in settings.routes]
    able = [(route, backend) for route, backend in routed if backend.key is not None]
    if not able or able[0][1].auth == "client":
        return None
    backend = able[0][1]
    rooms = [route.context_tokens for route, each in able if each == backend]
    room = None if None in rooms else max(room for room in rooms if room is not None)
    route = Route(
        match=_claude_tier(body.model),
        backend=backend.name,
        send_model=settings.overflow_model,
        context_tokens=room,
    )
    if next(reasons_to_keep(body, backend, route, settings.keep_on_anthropic), None) is not None:
        return None
    return Decision(backend=backend, reason="overflow: the Claude plan is spent", route=route)


def _route_for(lowered_model: str, settings: Settings) -> Route | None:
    for route in settings.routes:
        if route.match.lower() in lowered_model:
            return route
    return None


def tier_of(model: str | None, decision: Decision | None) -> str:
    """A short name for the console: the route's text, else Claude's tier, else the model's name."""
    if decision is not None and decision.route is not None:
        return decision.route.match
    return "-" if model is None else _claude_tier(model)


def _claude_tier(model: str) -> str:
    return next((tier for tier in _TIERS if tier in model.lower()), model)


def _is_execution(model: str) -> bool:
    """Whether it is one of Claude's models for execution work."""
    return "claude" in model.lower() and _claude_tier(model) in _EXECUTION


def reasons_to_keep(
    body: RequestBody, backend: Backend, route: Route, rules: KeepRules
) -> Iterator[str]:
    """The names of the rules by which `backend` can't serve `body`, cheapest first."""
    if rules.quota_probe and is_quota_probe(body):
        yield "quota_probe"
    if rules.safety_check and _is_safety_check(body):
        yield "safety_check"
    if rules.server_tools and not backend.server_tools and _has_server_tools(body):
        yield "server_tools"
    room = route.context_tokens if rules.context_size else None
    if room is not None and estimate_tokens(len(body.source)) > room:
        yield "context_size"
    wanted = {
        kind
        for kind, is_kept in (
            ("image", rules.images and not backend.images),
            ("document", rules.documents and not backend.documents),
        )
        if is_kept
    }
    found = wanted and wanted & _kinds_in(body)
    if found:
        yield "images" if "image" in found else "documents"


def estimate_tokens(length_bytes: int) -> int:
    """Roughly how many tokens a JSON body of this length holds; at least 1."""
    return max(1, round(length_bytes / BYTES_PER_TOKEN))


def is_quota_probe(body: RequestBody) -> bool:
    """Whether this is Claude Code's start-up request for the plan's quota headers."""
    view = body.view
    if view is None or view.stream is True or view.max_tokens != 1 or len(body.messages) != 1:
        return False
    message = body.messages[0]
    if isinstance(message.content, str):
        return message.content == _QUOTA_PROBE_PROMPT
    return [text_of(block) for block in message.blocks] == [_QUOTA_PROBE_PROMPT]


def _stay(settings: Settings, reason: str) -> Decision:
    return Decision(backend=settings.backend(ANTHROPIC), reason=reason)


def _is_safety_check(body: RequestBody) -> bool:
    """Whether this is auto mode's judge, whose answers other models don't give in its form."""
    view = body.view
    if view is None:
        return False
    if bytes(view.safeguards) not in {b"", b"null"}:
        return True
    stops = view.stop_sequences
    if isinstance(stops, list) and any(
        isinstance(stop, str) and stop in _CLASSIFIER_STOPS for stop in stops
    ):
        return True
    prompts = (without_billing_line(text).lstrip() for text in body.system_texts())
    return next((prompt for prompt in prompts if prompt), "").startswith(_CLASSIFIER_PROMPT)


def _has_server_tools(body: RequestBody) -> bool:
    """Whether the request offers tools that only Anthropic knows (all that carry a type)."""
    view = body.view
    if view is None:
        return False
    if view.mcp_servers:
        return True
    return any(tool.type is not None and tool.type != "custom" for tool in view.tools or [])


def _kinds_in(body: RequestBody) -> set[object]:
    """The types of all content blocks, those inside tool results included."""
    kinds: set[object] = set()
    waiting: list[Block] = []
    for message in body.messages:
        waiting += message.blocks
    while waiting:
        block = waiting.pop()
        if isinstance(block.type, str):
            kinds.add(block.type)
        if isinstance(block.content, list):
            waiting += block.content
        elif isinstance(block.content, Block):
            waiting.append(block.content)
    return kinds


def session_id_of(headers_session: str | None, body: RequestBody) -> str | None:
    """The conversation's id: from Claude Code's header, else from `metadata.user_id`."""
    if headers_session:
        return headers_session
    metadata = body.view.metadata if body.view else None
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    if not isinstance(user_id, str):
        return None
    if user_id.startswith("{"):
        try:
            session = msgspec.json.decode(user_id).get("session_id")
        except (ValueError, RecursionError, AttributeError):
            return None
        return session if isinstance(session, str) and session else None
    return user_id.rpartition("_session_")[2] or None if "_session_" in user_id else None
