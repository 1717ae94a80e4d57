"""What Z.ai's Anthropic-compatible endpoint refuses, with its codes and in its shapes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_core.services import anthropic, zai
from offramp_simulator import signatures, zai_strictness
from offramp_simulator.request_view import JsonObject, RequestView, blocks_of
from offramp_simulator.signatures import Seal
from offramp_simulator.zai_refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_simulator.received import ReceivedRequest

_CONTEXT_BYTES = {
    model.name.lower(): (model.long_context_tokens or model.context_tokens or 0) * 8
    for model in zai.SERVICE.models
}
"""By model. Eight bytes a token: what is longer than this is too long by any count."""

_CLIENT_CREDENTIALS = ("cookie", "proxy-authorization", "x-offramp-token")


def leak_in(entry: ReceivedRequest, body: JsonObject | None) -> str | None:
    """What reached Z.ai though it belongs to the client alone, or None."""
    for name, value in entry.headers:
        if anthropic.CREDENTIAL_PREFIX in value:
            return f"the header `{name}` holds a client credential (sk-ant…)"
        if name.lower() in _CLIENT_CREDENTIALS:
            return f"the header `{name}` is the client's own"
    if entry.header("authorization") is not None and entry.header("x-api-key") is not None:
        return "two auth headers, `authorization` and `x-api-key`"
    metadata = (body or {}).get("metadata")
    user = str(metadata.get("user_id", "")) if isinstance(metadata, dict) else ""
    if "account" in user or "device" in user:
        return "`metadata.user_id` names the client's account or device"
    return None


def key_in(entry: ReceivedRequest) -> str | None:
    """The key that the request carries, in whichever header; None where there is none."""
    bearer = entry.header("authorization")
    if bearer is not None:
        return bearer.removeprefix("Bearer ").strip() or None
    return entry.header("x-api-key") or None


def served_model(asked: str) -> str | None:
    """The model that answers for `asked`; None for a name that Z.ai does not know."""
    name = asked.lower()
    if name in _CONTEXT_BYTES:
        return name
    is_mapped = re.fullmatch(r"claude-[a-z0-9.-]*(sonnet|opus)[a-z0-9.-]*", name)
    return zai.GLM_4_7.name.lower() if is_mapped else None


def first_refusal(
    conversation: RequestView, switched_on: frozenset[str] = zai_strictness.ALL
) -> Refusal | None:
    """Say why the body is refused, or None; `switched_on` are refusals of `zai_strictness`."""
    return next(_refusals(conversation, switched_on), None)


def _refusals(conversation: RequestView, switched_on: frozenset[str]) -> Iterator[Refusal]:
    model = served_model(conversation.model)
    if model is None:
        yield Refusal(code="1211")
    elif len(conversation.raw) > _CONTEXT_BYTES[model]:
        yield Refusal(code="1261")
    if not conversation.messages:
        yield Refusal(code="1214", message="messages must not be empty", status=400)
    for position, message in enumerate(conversation.messages):
        if not message.get("content"):
            yield Refusal(code="1213", message="content must not be empty", status=400)
        for index, block in enumerate(blocks_of(message)):
            place = f"messages.{position}.content.{index}"
            yield from _block_refusals(place, block, conversation.model)
    for tool in conversation.tools:
        yield from _tool_refusals(tool)
    yield from zai_strictness.refusals(conversation, switched_on)


def _block_refusals(place: str, block: JsonObject, model: str) -> Iterator[Refusal]:
    limits = zai.SERVICE.limits_of(model)
    match block.get("type"):
        case "thinking":
            text, signature = str(block.get("thinking", "")), block.get("signature")
            is_text = signature is None or isinstance(signature, str)
            if not is_text or signatures.check_zai(text, signature) is not Seal.VALID:
                yield Refusal(message=f"{place}: Invalid `signature` in `thinking` block")
        case "redacted_thinking":
            yield Refusal(message=f"{place}: `redacted_thinking` is not supported")
        case "image" | "document" as kind:
            if limits.images if kind == "image" else limits.documents:
                return
            yield Refusal(message=f"{place}: `{kind}` is not supported by this model")
        case "server_tool_use" | "web_search_tool_result":
            identity = str(block.get("id") or block.get("tool_use_id"))
            if not identity.startswith("call_"):
                yield Refusal(message=f"{place}: unknown tool id {identity}")


def _tool_refusals(tool: JsonObject) -> Iterator[Refusal]:
    if tool.get("type") not in (None, "custom"):
        yield Refusal(message=f"tool type {tool['type']} is not supported")
