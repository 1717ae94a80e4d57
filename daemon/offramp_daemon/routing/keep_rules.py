"""Finds the requests that a delegate can't serve, so that they stay on Claude: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from offramp_core.model_limits import limits_for
from offramp_daemon.messages.delegate.tool_list import is_advisor
from offramp_daemon.messages.request_body import (
    ContentBlock,
    RequestBody,
    Source,
    text_of,
    without_billing_line,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_core.settings import Backend, KeepRules, Route

BYTES_PER_TOKEN = 3.5
"""For estimates from the length of a JSON body: code and prose, with their escapes, hold 3.3 to 4
bytes a token; the low side keeps an estimate from promising room that there isn't."""

_CLASSIFIER_STOPS = frozenset({"</severity>", "</block>"})
_CLASSIFIER_PROMPT = "You are a security monitor for autonomous AI coding agents"
_QUOTA_PROBE_PROMPT = "quota"
_PLAIN_SOURCES = ("text", "content")


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
    limits = limits_for(backend, route, body.model)
    wanted = {
        kind
        for kind, is_kept in (
            ("image", rules.images and not limits.images),
            ("document", rules.documents and not limits.documents),
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


def carries_safeguards(body: RequestBody) -> bool:
    """Whether Claude is to check the request's tool calls: in some modes each request asks for it.

    Measured on Claude Code 2.1.332: in plan mode and in auto mode.
    """
    return body.view is not None and bytes(body.view.safeguards) not in {b"", b"null"}


def _is_safety_check(body: RequestBody) -> bool:
    """Whether this is auto mode's judge, whose answers other models don't give in its form."""
    view = body.view
    if view is None:
        return False
    if carries_safeguards(body):
        return True
    stops = view.stop_sequences
    if isinstance(stops, list) and any(
        isinstance(stop, str) and stop in _CLASSIFIER_STOPS for stop in stops
    ):
        return True
    for text in body.system_texts():
        if prompt := without_billing_line(text).lstrip():
            return prompt.startswith(_CLASSIFIER_PROMPT)
    return False


def _has_server_tools(body: RequestBody) -> bool:
    """Whether the request offers tools that only Anthropic knows: all that carry a type.

    Not so the advisor, which a delegate can do without.
    """
    view = body.view
    if view is None:
        return False
    if view.mcp_servers:
        return True
    kinds = (tool.type for tool in view.tools or [])
    return any(kind not in (None, "custom") and not is_advisor(kind) for kind in kinds)


def _kinds_in(body: RequestBody) -> set[object]:
    """The types of all content blocks, those inside tool results included.

    A document of plain text is none that a model has to be able to read: it gets the words.
    """
    kinds: set[object] = set()
    waiting: list[ContentBlock] = []
    for message in body.messages:
        if isinstance(message.content, list):
            waiting += message.content
    while waiting:
        block = waiting.pop()
        if block.type == "document" and _is_plain(block.source):
            kinds |= _kinds_in_source(block.source)
        elif isinstance(block.type, str):
            kinds.add(block.type)
        if isinstance(block.content, list):
            waiting += block.content
        elif isinstance(block.content, ContentBlock):
            waiting.append(block.content)
    return kinds


def _is_plain(source: object) -> TypeGuard[Source]:
    return isinstance(source, Source) and source.type in _PLAIN_SOURCES


def _kinds_in_source(source: Source) -> set[object]:
    """The types of the blocks that a document of blocks is made of."""
    blocks = source.content if isinstance(source.content, list) else []
    kinds = (block.get("type") for block in blocks if isinstance(block, dict))
    return {kind for kind in kinds if isinstance(kind, str)}
