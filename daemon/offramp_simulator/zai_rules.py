"""What Z.ai's Anthropic-compatible endpoint refuses, with its codes and in its shapes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.services import anthropic, zai
from offramp_simulator import signatures
from offramp_simulator.events import json_bytes
from offramp_simulator.request_view import JsonObject, RequestView, blocks_of
from offramp_simulator.signatures import Seal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_simulator.received import ReceivedRequest

_CONTEXT_BYTES = {
    model.name.lower(): (model.long_context_tokens or model.context_tokens or 0) * 8
    for model in zai.SERVICE.models
}
"""By model. Eight bytes a token: what is longer than this is too long by any count."""

_ERRORS = {
    "1000": (401, "Authentication Failed"),
    "1001": (401, "Authentication parameter not received in Header, unable to authenticate"),
    "1113": (429, "Insufficient balance or no resource package. Please recharge."),
    "1200": (500, "API Call Failure"),
    "1210": (400, "Invalid API parameter, please check the documentation."),
    "1211": (400, "Unknown Model, please check the model code."),
    "1230": (500, "API call process error"),
    "1234": (500, "Network error, error id: simulated, please contact customer service"),
    "1261": (400, "Prompt exceeds max length"),
    "1301": (400, "System detected potentially unsafe or sensitive content in input"),
    "1302": (429, "High concurrency usage of this API, please reduce concurrency"),
    "1305": (429, "The service may be temporarily overloaded, please try again later"),
    "1308": (429, "Usage limit reached for 5 hour. Your limit will reset at 2026-01-01 00:00:00"),
    "1309": (429, "Your GLM Coding Plan package has expired"),
    "1310": (429, "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-01-01 00:00:00"),
    "1311": (429, "The current subscription plan does not include access to this model"),
}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
_CLIENT_CREDENTIALS = ("cookie", "proxy-authorization", "x-offramp-token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error of Z.ai's; `detail` is the third shape, a failed validation's."""

    code: str = "1210"
    message: str = ""
    detail: JsonObject | None = None
    status: int = 0

    def http_status(self) -> int:
        """The status that belongs to it."""
        if self.detail is not None:
            return 422
        return self.status or _ERRORS.get(self.code, (500 if self.code[1] == "2" else 429, ""))[0]

    def body(self, request_id: str, *, is_typed: bool = False) -> bytes:
        """The body; `is_typed` chooses the Anthropic-like of the two shapes."""
        if self.detail is not None:
            return json_bytes({"detail": [self.detail]})
        message = self.message or _ERRORS.get(self.code, (0, "Request failed"))[1]
        if not is_typed:
            error = {"code": self.code, "message": message}
            return json_bytes({"error": error, "request_id": request_id})
        return json_bytes(self.typed(request_id))

    def typed(self, request_id: str) -> JsonObject:
        """The Anthropic-like shape, as in a stream's `error` event too."""
        message = self.message or _ERRORS.get(self.code, (0, "Request failed"))[1]
        kind = _ERROR_TYPES.get(self.http_status(), "api_error")
        wrapped = f"[{self.code}][{message}][{request_id}]"
        return {"type": "error", "error": {"type": kind, "code": self.code, "message": wrapped}}


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


def first_refusal(conversation: RequestView) -> Refusal | None:
    """Why the body is refused, or None."""
    return next(_refusals(conversation), None)


def _refusals(conversation: RequestView) -> Iterator[Refusal]:
    model = served_model(conversation.model)
    if model is None:
        yield Refusal(code="1211")
    elif len(conversation.raw) > _CONTEXT_BYTES[model]:
        yield Refusal(code="1261")
    if not conversation.messages:
        yield Refusal(code="1214", message="messages must not be empty", status=400)
    for position, message in enumerate(conversation.messages):
        if message.get("role") not in ("user", "assistant"):
            yield Refusal(detail=_role_detail(position, message.get("role")))
        if not message.get("content"):
            yield Refusal(code="1213", message="content must not be empty", status=400)
        for index, block in enumerate(blocks_of(message)):
            yield from _block_refusals(f"messages.{position}.content.{index}", block)
    for tool in conversation.tools:
        yield from _tool_refusals(tool)


def _role_detail(position: int, role: object) -> JsonObject:
    return {
        "type": "literal_error",
        "loc": ["body", "messages", position, "role"],
        "msg": "Input should be 'user' or 'assistant'",
        "input": role,
        "ctx": {"expected": "'user' or 'assistant'"},
    }


def _block_refusals(place: str, block: JsonObject) -> Iterator[Refusal]:
    match block.get("type"):
        case "thinking":
            text, signature = str(block.get("thinking", "")), block.get("signature")
            is_text = signature is None or isinstance(signature, str)
            if not is_text or signatures.check_zai(text, signature) is not Seal.VALID:
                yield Refusal(message=f"{place}: Invalid `signature` in `thinking` block")
        case "redacted_thinking":
            yield Refusal(message=f"{place}: `redacted_thinking` is not supported")
        case "image" | "document" as kind:
            yield Refusal(message=f"{place}: `{kind}` is not supported by this model")
        case "server_tool_use" | "web_search_tool_result":
            identity = str(block.get("id") or block.get("tool_use_id"))
            if not identity.startswith("call_"):
                yield Refusal(message=f"{place}: unknown tool id {identity}")


def _tool_refusals(tool: JsonObject) -> Iterator[Refusal]:
    if tool.get("type") not in (None, "custom"):
        yield Refusal(message=f"tool type {tool['type']} is not supported")
    schema = json_bytes(tool.get("input_schema"))
    if b"\\\\p{" in schema:
        yield Refusal(message=f"tool {tool.get('name')}: invalid pattern")
    if b'"$ref"' in schema:
        yield Refusal(code="1234")
