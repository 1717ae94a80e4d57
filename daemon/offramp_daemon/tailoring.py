"""Makes a request body fit for the backend that it goes to, changing only what has to change.

Towards Anthropic nothing but foreign blocks is cut; without any, the body leaves as the very bytes
that came. Towards other backends it is a deterministic function of the body and the backend's
settings, the same for count_tokens, so that the backend's prefix cache holds from turn to turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from offramp_core.settings import Backend
from offramp_daemon import splicing, thinking
from offramp_daemon.request_body import RequestBody
from offramp_daemon.splicing import Piece

BILLING_MARK = "x-anthropic-billing-header:"
_PLACEHOLDER = b'{"type":"text","text":"(no content)"}'
_LONG_CONTEXT_SUFFIX = "[1m]"
_DISABLED = b'{"type":"disabled"}'
_CLEAR_THINKING = "clear_thinking"


def for_client_backend(body: RequestBody, backend: Backend, *, strip_all: bool = False) -> bytes:
    """`body` for the backend that gets the client's request as it came, foreign blocks cut."""
    cuts = thinking.cuts_for(body, backend.own_thinking, strip_all=strip_all)
    if not cuts:
        return body.raw
    parts = splicing.members(body.source)
    parts["messages"] = splicing.join_items(_without(body, parts, cuts))
    if cuts.breaks_tool_loop and _is_thinking_enabled(body):
        _disable_thinking(parts)
    return _finish(body, parts)


def without_thinking(body: RequestBody, backend: Backend) -> bytes:
    """`body` with no thinking at all: for one more try after its signatures were refused."""
    cuts = thinking.cuts_for(body, backend.own_thinking, strip_all=True)
    parts = splicing.members(body.source)
    if cuts:
        parts["messages"] = splicing.join_items(_without(body, parts, cuts))
    _disable_thinking(parts)
    return _finish(body, parts)


def for_delegate(
    body: RequestBody, backend: Backend, *, send_model: str | None, strip_all: bool = False
) -> bytes:
    """`body` for a backend that speaks Anthropic's protocol with the quirks in its settings."""
    if body.view is None:
        return body.raw
    parts = splicing.members(body.source)
    for name in backend.drop_fields:
        parts.pop(name, None)
    model = send_model or _plain_name(body.model)
    if model is not None and model != body.model:
        parts["model"] = splicing.value_text(model)
    if not body.is_odd:
        _tailor_messages(body, backend, parts, strip_all=strip_all)
        if not backend.billing_header_block:
            _drop_billing_block(body, parts)
    return _finish(body, parts)


def _plain_name(model: str | None) -> str | None:
    """`model` without the `[1m]` that some clients write behind it."""
    if model is not None and model.lower().endswith(_LONG_CONTEXT_SUFFIX):
        return model[: -len(_LONG_CONTEXT_SUFFIX)]
    return model


def _finish(body: RequestBody, parts: dict[str, Piece]) -> bytes:
    return body.surrogates.restore(splicing.join_members(parts))


def _tailor_messages(
    body: RequestBody, backend: Backend, parts: dict[str, Piece], *, strip_all: bool
) -> None:
    cuts = thinking.cuts_for(body, backend.own_thinking, strip_all=strip_all)
    folds = not backend.system_role_in_messages and any(
        message.role == "system" for message in body.messages
    )
    if not cuts and not folds:
        return
    pieces = _without(body, parts, cuts)
    if folds:
        pieces = _fold_system_items(body, pieces)
    parts["messages"] = splicing.join_items(pieces)


def _without(body: RequestBody, parts: dict[str, Piece], cuts: thinking.Cuts) -> list[Piece]:
    """The items of `messages`, the cut blocks gone and no message left empty."""
    pieces = splicing.items(parts["messages"])
    for index, gone in cuts.blocks.items():
        message = splicing.members(pieces[index])
        seen = body.messages[index].blocks
        kept = [
            piece
            for number, piece in enumerate(splicing.items(message["content"]))
            if number not in gone and not _is_empty_text(seen[number].type, seen[number].text)
        ]
        message["content"] = splicing.join_items(kept or [_PLACEHOLDER])
        pieces[index] = splicing.join_members(message)
    return pieces


def _is_empty_text(kind: object, text: msgspec.Raw) -> bool:
    """Whether a block is an empty text, which Anthropic refuses and other backends may write."""
    return kind == "text" and bytes(text) == b'""'


def _fold_system_items(body: RequestBody, pieces: list[Piece]) -> list[Piece]:
    """`pieces` with each `role: "system"` item joined to the user turn beside it.

    It goes to the end of the user turn before it, else to the turn after it: in front, or behind
    where that turn brings tool results, which have to come first. Between two assistant turns it
    becomes a user turn of its own.
    """
    folded: list[Piece] = []
    last_role: object = None
    waiting: list[Piece] = []
    for message, piece in zip(body.messages, pieces, strict=True):
        if message.role == "system":
            blocks = _content_blocks(splicing.members(piece).get("content", b"[]"))
            if last_role == "user":
                folded[-1] = _with_blocks(folded[-1], after=blocks)
            else:
                waiting += blocks
            continue
        joined = piece
        if waiting and message.role == "user":
            has_results = any(block.type == "tool_result" for block in message.blocks)
            joined = (
                _with_blocks(piece, after=waiting)
                if has_results
                else _with_blocks(piece, before=waiting)
            )
        elif waiting:
            folded.append(_user_turn(waiting))
        waiting = []
        folded.append(joined)
        last_role = message.role
    if waiting:
        folded.append(_user_turn(waiting))
    return folded


def _content_blocks(content: Piece) -> list[Piece]:
    """`content`, text or blocks, as blocks; empty text gives none."""
    raw = bytes(content)
    if raw.startswith(b"["):
        return splicing.items(content)
    return [b'{"type":"text","text":' + raw + b"}"] if raw not in {b'""', b"null"} else []


def _with_blocks(piece: Piece, *, before: Sequence[Piece] = (), after: Sequence[Piece] = ()) -> bytes:
    message = splicing.members(piece)
    own = _content_blocks(message.get("content", b"[]"))
    message["content"] = splicing.join_items([*before, *own, *after])
    return splicing.join_members(message)


def _user_turn(blocks: list[Piece]) -> bytes:
    return b'{"role":"user","content":' + splicing.join_items(blocks or [_PLACEHOLDER]) + b"}"


def _drop_billing_block(body: RequestBody, parts: dict[str, Piece]) -> None:
    system = body.view.system if body.view else None
    if isinstance(system, str):
        if system.startswith(BILLING_MARK):
            _set_system_text(parts, system.partition("\n")[2])
        return
    marked = {
        index for index, text in enumerate(body.system_texts()) if text.startswith(BILLING_MARK)
    }
    if not marked:
        return
    kept = [
        piece for index, piece in enumerate(splicing.items(parts["system"])) if index not in marked
    ]
    if kept:
        parts["system"] = splicing.join_items(kept)
    else:
        del parts["system"]


def _set_system_text(parts: dict[str, Piece], text: str) -> None:
    if text:
        parts["system"] = splicing.value_text(text)
    else:
        del parts["system"]


def _is_thinking_enabled(body: RequestBody) -> bool:
    return bool(body.view and body.view.thinking and body.view.thinking.type == "enabled")


def _disable_thinking(parts: dict[str, Piece]) -> None:
    """Turn thinking off, with the edits of `context_management` that only work with it."""
    if "thinking" in parts:
        parts["thinking"] = _DISABLED
    edits_piece = parts.get("context_management")
    if edits_piece is None:
        return
    management = msgspec.json.decode(edits_piece)
    edits = management.get("edits") if isinstance(management, dict) else None
    if not isinstance(edits, list):
        return
    kept = [edit for edit in edits if not _needs_thinking(edit)]
    if len(kept) == len(edits):
        return
    if kept:
        parts["context_management"] = splicing.value_text({**management, "edits": kept})
    else:
        del parts["context_management"]


def _needs_thinking(edit: object) -> bool:
    return isinstance(edit, dict) and str(edit.get("type", "")).startswith(_CLEAR_THINKING)
