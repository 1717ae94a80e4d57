"""Makes a request body fit for the backend that it goes to, changing only what has to change.

Towards Anthropic nothing but foreign blocks is cut; without any, the body leaves as the very bytes
that came. Towards other backends it is a deterministic function of the body and the backend's
settings, the same for count_tokens, so that the backend's prefix cache holds from turn to turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from offramp_core.model_limits import limits_for
from offramp_core.services.service import LONG_CONTEXT_SUFFIX
from offramp_daemon.messages import delegate_body, json_splice, model_fit, thinking
from offramp_daemon.messages.allow_list import PLACEHOLDER
from offramp_daemon.messages.errors import Failure, RequestFailedError
from offramp_daemon.messages.json_splice import Piece, SpliceError
from offramp_daemon.messages.request_body import is_blank_text

if TYPE_CHECKING:
    from offramp_core.settings import Backend, Route
    from offramp_daemon.messages.request_body import RequestBody

_DISABLED = b'{"type":"disabled"}'
_CLEAR_THINKING = "clear_thinking"


class ContextEdit(msgspec.Struct, gc=False):
    """An item of `context_management.edits`."""

    type: str = ""


_EDIT = msgspec.json.Decoder(ContextEdit)


def for_client_backend(body: RequestBody, backend: Backend, *, strip_all: bool = False) -> bytes:
    """`body` for the backend that gets the client's request as it came, foreign blocks cut.

    A body that can't be taken apart goes as it came too: the backend says what is wrong with it.
    """
    cuts = thinking.cuts_for(body, backend.own_thinking, strip_all=strip_all)
    if not cuts.blocks:
        return body.raw
    is_loop_broken = cuts.breaks_tool_loop and _is_thinking_enabled(body)
    return _cut(body, cuts, disables_thinking=is_loop_broken)


def without_thinking(body: RequestBody, backend: Backend) -> bytes:
    """`body` with no thinking at all: for one more try after its signatures were refused."""
    cuts = thinking.cuts_for(body, backend.own_thinking, strip_all=True)
    return _cut(body, cuts, disables_thinking=True)


def _cut(body: RequestBody, cuts: thinking.Cuts, *, disables_thinking: bool) -> bytes:
    try:
        parts = json_splice.members(body.source)
        if cuts.blocks:
            parts["messages"] = json_splice.join_items(_without(body, parts, cuts))
        if disables_thinking:
            _disable_thinking(parts)
    except SpliceError:
        return body.raw
    return _finish(body, parts)


def for_delegate(
    body: RequestBody, backend: Backend, route: Route | None = None, *, strip_all: bool = False
) -> bytes:
    """Make `body` fit for a backend that speaks Anthropic's protocol with quirks of its own.

    `route` says which model is sent, and may set its limits.

    Raises:
        RequestFailedError: it can't be taken apart, so nothing could be left out of it.
    """
    limits = limits_for(backend, route, body.model)
    try:
        parts = json_splice.members(body.source)
        delegate_body.keep_accepted(body, backend, limits, parts, strip_all=strip_all)
    except SpliceError as error:
        failure = Failure(status=400, message=f"The request body can't be read: {error}")
        raise RequestFailedError(failure) from error
    model_fit.fit(parts, limits)
    model = _plain_name((route.send_model if route else None) or body.model)
    if model is not None and model != body.model:
        parts["model"] = json_splice.value_text(model)
    return _finish(body, parts)


def _plain_name(model: str | None) -> str | None:
    """`model` without the `[1m]` that some clients write behind it."""
    if model is not None and model.lower().endswith(LONG_CONTEXT_SUFFIX):
        return model[: -len(LONG_CONTEXT_SUFFIX)]
    return model


def _finish(body: RequestBody, parts: dict[str, Piece]) -> bytes:
    joined = json_splice.join_members(parts)
    return body.surrogates.restore(joined) if body.surrogates.taken else joined


def _without(body: RequestBody, parts: dict[str, Piece], cuts: thinking.Cuts) -> list[Piece]:
    """The items of `messages`, the cut blocks gone and no message left empty."""
    pieces = json_splice.items(parts["messages"])
    for index, gone in cuts.blocks.items():
        message = json_splice.members(pieces[index])
        seen = body.messages[index].blocks
        kept = [
            piece
            for number, piece in enumerate(json_splice.items(message["content"]))
            if number not in gone and not is_blank_text(seen[number])
        ]
        message["content"] = json_splice.join_items(kept or [PLACEHOLDER])
        pieces[index] = json_splice.join_members(message)
    return pieces


def _is_thinking_enabled(body: RequestBody) -> bool:
    return bool(body.view and body.view.thinking and body.view.thinking.type == "enabled")


def _disable_thinking(parts: dict[str, Piece]) -> None:
    """Turn thinking off, with the edits of `context_management` that only work with it."""
    if "thinking" in parts:
        parts["thinking"] = _DISABLED
    try:
        management = json_splice.members(parts["context_management"])
        edits = json_splice.items(management["edits"])
    except (KeyError, SpliceError):
        return
    kept = [edit for edit in edits if not _needs_thinking(edit)]
    if len(kept) == len(edits):
        return
    if kept:
        management["edits"] = json_splice.join_items(kept)
    else:
        del management["edits"]
    if management:
        parts["context_management"] = json_splice.join_members(management)
    else:
        del parts["context_management"]


def _needs_thinking(edit: Piece) -> bool:
    try:
        return _EDIT.decode(edit).type.startswith(_CLEAR_THINKING)
    except (ValueError, RecursionError):
        return False
