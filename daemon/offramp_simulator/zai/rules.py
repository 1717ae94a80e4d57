"""What the stand-in for Z.ai checks of every request: whose credentials it holds, and its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.services import anthropic
from offramp_simulator.zai import strictness
from offramp_simulator.zai.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offramp_simulator.service.received import ReceivedRequest
    from offramp_simulator.service.request_view import JsonObject, RequestView

_CLIENT_CREDENTIALS = ("cookie", "proxy-authorization", "x-offramp-token")


def leak_in(entry: ReceivedRequest, body: JsonObject | None) -> str | None:
    """What reached Z.ai although it belongs only to the client; or None."""
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


def first_refusal(
    conversation: RequestView, switched_on: frozenset[str] = strictness.ALL
) -> tuple[str, Refusal] | None:
    """Find the first refusal of those that are on: its name and the error, or None."""
    malformed = next(_shape_refusals(conversation), None)
    if malformed is not None:
        return "malformed", malformed
    return next(strictness.refusals(conversation, switched_on), None)


def _shape_refusals(conversation: RequestView) -> Iterator[Refusal]:
    if not conversation.messages:
        yield Refusal(code="1214", message="messages must not be empty", status=400)
    for message in conversation.messages:
        if not message.get("content"):
            yield Refusal(code="1213", message="content must not be empty", status=400)
