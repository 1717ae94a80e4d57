"""What Z.ai, or a strict service of its kind, is reported to refuse: each under a name of its own.

All are on by default. Those of other strict services (Kimi, DeepSeek, Bailian) may not hold for
Z.ai, so that a request has to get through with and without each of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from offramp_core.services import zai
from offramp_simulator.request_view import JsonObject, RequestView, blocks_of
from offramp_simulator.zai_refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FIELDS = frozenset(
    (
        "model",
        "max_tokens",
        "messages",
        "system",
        "stop_sequences",
        "stream",
        "temperature",
        "top_k",
        "top_p",
        "thinking",
        "tools",
        "tool_choice",
        "output_config",
        "metadata",
    )
)
_BLOCK_TYPES = frozenset(
    ("text", "tool_use", "tool_result", "image", "document", "thinking", "redacted_thinking")
)
_SERVER_BLOCKS = ("server_tool_use", "web_search_tool_result")
"""Z.ai's own tools answer with these, so that it has to know them."""
_THINKING = frozenset(("type", "budget_tokens"))
_CACHE_CONTROL = frozenset(("type", "ttl"))
_TOOL = frozenset(("type", "name", "description", "input_schema", "cache_control"))
_BAD_PATTERN = re.compile(r"\\[pP]\{|\(\?<?[=!]")


def _output_ceiling(request: RequestView) -> Iterator[Refusal]:
    ceiling = zai.SERVICE.limits_of(request.model).max_output_tokens
    asked = request.body.get("max_tokens")
    if isinstance(asked, int) and ceiling is not None and asked > ceiling:
        yield Refusal(message=f"max_tokens must be at most {ceiling}")


def _thinking_disabled(request: RequestView) -> Iterator[Refusal]:
    thinking = request.body.get("thinking")
    is_disabled = isinstance(thinking, dict) and thinking.get("type") == "disabled"
    if is_disabled and zai.SERVICE.limits_of(request.model).always_thinks:
        yield Refusal(message="thinking can't be disabled for this model")


def _efforts(request: RequestView) -> Iterator[Refusal]:
    config = request.body.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    taken = zai.SERVICE.limits_of(request.model).efforts
    if effort is not None and effort not in (taken or ()):
        yield Refusal(message=f"effort {effort} is not supported")


def _fields(request: RequestView) -> Iterator[Refusal]:
    yield from _extra(request.body, _FIELDS, "body")


def _thinking_fields(request: RequestView) -> Iterator[Refusal]:
    yield from _extra(request.body.get("thinking"), _THINKING, "body", "thinking")


def _cache_control_fields(request: RequestView) -> Iterator[Refusal]:
    for mark in _found("cache_control", [request.body.get("system"), request.tools]):
        yield from _extra(mark, _CACHE_CONTROL, "body", "cache_control")
    for mark in _found("cache_control", [list(_blocks(request))]):
        yield from _extra(mark, _CACHE_CONTROL, "body", "messages", "cache_control")


def _tool_fields(request: RequestView) -> Iterator[Refusal]:
    for tool in request.tools:
        yield from _extra(tool, _TOOL, "body", "tools")


def _block_types(request: RequestView) -> Iterator[Refusal]:
    for block in _blocks(request):
        kind = block.get("type")
        if kind not in _BLOCK_TYPES and kind not in _SERVER_BLOCKS:
            message = f"Input tag '{kind}' found using 'type' does not match any of the expected"
            yield Refusal(detail={"type": "union_tag_invalid", "loc": ["body"], "msg": message})


def _tool_inputs(request: RequestView) -> Iterator[Refusal]:
    for block in _blocks(request):
        if block.get("type") == "tool_use" and not isinstance(block.get("input"), dict):
            yield Refusal(code="500", message="Internal error", status=500)


def _bare_result(request: RequestView) -> Iterator[Refusal]:
    first = blocks_of(request.messages[0]) if request.messages else []
    if first and first[0].get("type") == "tool_result":
        yield Refusal(code="1214", message="messages: invalid parameter", status=400)


def _patterns(request: RequestView) -> Iterator[Refusal]:
    for pattern in _found("pattern", [tool.get("input_schema") for tool in request.tools]):
        if isinstance(pattern, str) and _BAD_PATTERN.search(pattern):
            yield Refusal(message="tools: invalid pattern")


def _references(request: RequestView) -> Iterator[Refusal]:
    for reference in _found("$ref", [tool.get("input_schema") for tool in request.tools]):
        if isinstance(reference, str):
            yield Refusal(code="1234")


def _role_system(request: RequestView) -> Iterator[Refusal]:
    for position, message in enumerate(request.messages):
        if message.get("role") not in ("user", "assistant"):
            yield Refusal(
                detail={
                    "type": "literal_error",
                    "loc": ["body", "messages", position, "role"],
                    "msg": "Input should be 'user' or 'assistant'",
                    "input": message.get("role"),
                    "ctx": {"expected": "'user' or 'assistant'"},
                }
            )


CHECKS: Mapping[str, Callable[[RequestView], Iterator[Refusal]]] = {
    "output-ceiling": _output_ceiling,
    "thinking-disabled": _thinking_disabled,
    "efforts": _efforts,
    "fields": _fields,
    "thinking-fields": _thinking_fields,
    "cache-control-fields": _cache_control_fields,
    "tool-fields": _tool_fields,
    "block-types": _block_types,
    "tool-inputs": _tool_inputs,
    "bare-result": _bare_result,
    "patterns": _patterns,
    "references": _references,
    "role-system": _role_system,
}

ALL = frozenset(CHECKS)
"""The names of all refusals, for `Simulator(zai_refuses=…)`."""


def refusals(request: RequestView, switched_on: frozenset[str]) -> Iterator[Refusal]:
    """Find what the request runs into, of the refusals that are on."""
    for name, check in CHECKS.items():
        if name in switched_on:
            yield from check(request)


def _extra(value: Any, known: frozenset[str], *place: str) -> Iterator[Refusal]:
    for name in value.keys() - known if isinstance(value, dict) else ():
        yield Refusal(
            detail={
                "type": "extra_forbidden",
                "loc": [*place, name],
                "msg": "Extra inputs are not permitted",
            }
        )


def _blocks(request: RequestView) -> Iterator[JsonObject]:
    """All blocks of all messages, those within tool results included."""
    for message in request.messages:
        for block in blocks_of(message):
            yield block
            if block.get("type") == "tool_result":
                yield from blocks_of(block)


def _found(name: str, values: list[Any]) -> Iterator[Any]:
    """Every value under `name`, at any depth."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if name in value:
                yield value[name]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
