"""What Z.ai, or a strict service of its kind, is reported to refuse: each under a name of its own.

Those of other strict services (Kimi, DeepSeek, Bailian) may not hold for Z.ai, so that a request
has to get through with and without each of them. All but one are on by default.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from offramp_simulator.service import signatures
from offramp_simulator.service.request_view import JsonObject, RequestView, blocks_of
from offramp_simulator.service.signatures import Seal
from offramp_simulator.zai import models
from offramp_simulator.zai.refusal import Refusal

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
_MARK = "cache_control"
_BLOCKS = {
    "text": ("text", "citations", _MARK),
    "tool_use": ("id", "name", "input", _MARK),
    "tool_result": ("tool_use_id", "content", "is_error", _MARK),
    "image": ("source", _MARK),
    "document": ("source", "title", "context", "citations", _MARK),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    # Z.ai's own tools answer with these, so that it has to know them.
    "server_tool_use": ("id", "name", "input", _MARK),
    "web_search_tool_result": ("tool_use_id", "content", _MARK),
}
_MESSAGE = frozenset(("role", "content"))
_TOOL_CHOICE = frozenset(("type", "name", "disable_parallel_tool_use"))
_CONTEXT_BYTES_A_TOKEN = 8
"""What is longer than this is too long by any count."""
_LONG_BODY_BYTES = 1024 * 1024
"""Reports name bodies of one to four megabytes: from the least of them on."""
_THINKING = frozenset(("type", "budget_tokens"))
_CACHE_CONTROL = frozenset(("type", "ttl"))
_TOOL = frozenset(("type", "name", "description", "input_schema", "cache_control"))
_BAD_PATTERN = re.compile(r"\\[pP]\{|\(\?<?[=!]")


def _models(request: RequestView) -> Iterator[Refusal]:
    if models.served_model(request.model) is None:
        yield Refusal(code="1211")


def _claude_names(request: RequestView) -> Iterator[Refusal]:
    if models.is_claude_name(request.model):
        yield Refusal(code="1211")


def _context(request: RequestView) -> Iterator[Refusal]:
    context = models.limits_of(request.model).context_tokens
    if len(request.raw) > context * _CONTEXT_BYTES_A_TOKEN:
        yield Refusal(code="1261")


def _long_bodies(request: RequestView) -> Iterator[Refusal]:
    if len(request.raw) > _LONG_BODY_BYTES:
        yield Refusal(code="1214", message="messages: invalid parameter", status=400)


def _output_ceiling(request: RequestView) -> Iterator[Refusal]:
    ceiling = models.limits_of(request.model).max_output_tokens
    asked = request.body.get("max_tokens")
    if isinstance(asked, int) and asked > ceiling:
        yield Refusal(message=f"max_tokens must be at most {ceiling}")


def _thinking_disabled(request: RequestView) -> Iterator[Refusal]:
    thinking = request.body.get("thinking")
    is_disabled = isinstance(thinking, dict) and thinking.get("type") == "disabled"
    if is_disabled and models.limits_of(request.model).always_thinks:
        yield Refusal(message="thinking can't be disabled for this model")


def _efforts(request: RequestView) -> Iterator[Refusal]:
    config = request.body.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    if effort is not None and effort not in models.limits_of(request.model).efforts:
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


def _tool_choice_fields(request: RequestView) -> Iterator[Refusal]:
    yield from _extra(request.body.get("tool_choice"), _TOOL_CHOICE, "body", "tool_choice")


def _message_fields(request: RequestView) -> Iterator[Refusal]:
    for message in request.messages:
        yield from _extra(message, _MESSAGE, "body", "messages")


def _block_fields(request: RequestView) -> Iterator[Refusal]:
    for block in _blocks(request):
        kind = str(block.get("type"))
        if kind in _BLOCKS:
            known = frozenset(("type", *_BLOCKS[kind]))
            yield from _extra(block, known, "body", "messages", "content", kind)


def _block_types(request: RequestView) -> Iterator[Refusal]:
    for block in _blocks(request):
        kind = block.get("type")
        if kind not in _BLOCKS:
            message = f"Input tag '{kind}' found using 'type' does not match any of the expected"
            yield Refusal(detail={"type": "union_tag_invalid", "loc": ["body"], "msg": message})


def _foreign_thinking(request: RequestView) -> Iterator[Refusal]:
    for block in _blocks(request):
        if block.get("type") == "thinking":
            text, signature = str(block.get("thinking", "")), block.get("signature")
            is_text = signature is None or isinstance(signature, str)
            if not is_text or signatures.check_zai(text, signature) is not Seal.VALID:
                yield Refusal(message="Invalid `signature` in `thinking` block")


def _redacted_thinking(request: RequestView) -> Iterator[Refusal]:
    for block in _blocks(request):
        if block.get("type") == "redacted_thinking":
            yield Refusal(message="`redacted_thinking` is not supported")


def _images(request: RequestView) -> Iterator[Refusal]:
    if not models.limits_of(request.model).images:
        yield from _unsupported(request, "image")


def _documents(request: RequestView) -> Iterator[Refusal]:
    if not models.limits_of(request.model).documents:
        yield from _unsupported(request, "document")


def _unsupported(request: RequestView, kind: str) -> Iterator[Refusal]:
    for block in _blocks(request):
        if block.get("type") == kind:
            yield Refusal(message=f"`{kind}` is not supported by this model")


def _server_call_ids(request: RequestView) -> Iterator[Refusal]:
    for block in _blocks(request):
        if block.get("type") in ("server_tool_use", "web_search_tool_result"):
            identity = str(block.get("id") or block.get("tool_use_id"))
            if not identity.startswith("call_"):
                yield Refusal(message=f"unknown tool id {identity}")


def _server_tools(request: RequestView) -> Iterator[Refusal]:
    for tool in request.tools:
        if tool.get("type") not in (None, "custom"):
            yield Refusal(message=f"tool type {tool['type']} is not supported")


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


CLAUDE_NAMES = "claude-names"
"""The one that is off unless it is asked for: Z.ai's own page says that it maps these names to GLM
models, so that no request could be served with it."""

CHECKS: Mapping[str, Callable[[RequestView], Iterator[Refusal]]] = {
    "models": _models,
    CLAUDE_NAMES: _claude_names,
    "context": _context,
    "long-bodies": _long_bodies,
    "output-ceiling": _output_ceiling,
    "thinking-disabled": _thinking_disabled,
    "efforts": _efforts,
    "role-system": _role_system,
    "fields": _fields,
    "thinking-fields": _thinking_fields,
    "cache-control-fields": _cache_control_fields,
    "tool-fields": _tool_fields,
    "tool-choice-fields": _tool_choice_fields,
    "message-fields": _message_fields,
    "block-types": _block_types,
    "block-fields": _block_fields,
    "foreign-thinking": _foreign_thinking,
    "redacted-thinking": _redacted_thinking,
    "images": _images,
    "documents": _documents,
    "server-call-ids": _server_call_ids,
    "server-tools": _server_tools,
    "tool-inputs": _tool_inputs,
    "bare-result": _bare_result,
    "patterns": _patterns,
    "references": _references,
}

ALL = frozenset(CHECKS) - {CLAUDE_NAMES}
"""The names of the others, for `Simulator(zai_refuses=…)`."""


def refusals(request: RequestView, switched_on: frozenset[str]) -> Iterator[tuple[str, Refusal]]:
    """Find what the request runs into, of the refusals that are on, each with its name."""
    for name, check in CHECKS.items():
        if name in switched_on:
            for refusal in check(request):
                yield name, refusal


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
