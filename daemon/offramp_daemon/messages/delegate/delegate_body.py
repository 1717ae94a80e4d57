"""Builds the body for a delegate from what its service takes; everything else stays here. Pure.

What it gets is a function of the body and the settings, the same on every turn of a conversation,
so that the service's prompt cache holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.services import service_of
from offramp_core.services.accepts import NEVER
from offramp_daemon.messages import json_splice
from offramp_daemon.messages.delegate import account_email, allow_list, tool_list
from offramp_daemon.messages.delegate.allow_list import Wanted, keep_within
from offramp_daemon.messages.delegate.delegate_messages import DelegateCleaner
from offramp_daemon.messages.history import thinking
from offramp_daemon.messages.history.history_survey import survey
from offramp_daemon.messages.history.history_writer import HistoryWriter
from offramp_daemon.messages.json_splice import Piece, SpliceError
from offramp_daemon.messages.request_body import (
    has_billing_line,
    is_blank_json,
    without_billing_line,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.backend import Backend
    from offramp_core.services import Model
    from offramp_daemon.messages.history.history_survey import Target
    from offramp_daemon.messages.history.thinking import Signer
    from offramp_daemon.messages.request_body import RequestBody

NO_ADVISOR = "The advisor tool is not available in this conversation. Go on without it."
_NO_THINKING = b'{"type":"disabled"}'
_REQUIRED = frozenset({"model", "max_tokens", "messages"})
"""Fields without which no request is one; null in any other says nothing."""
_ANSWER_BY_SCHEMA = "Answer with nothing but JSON that is valid by this schema: "
_ANSWER_IN_FORM = "Answer with nothing but what has this form: "


def keep_accepted(
    body: RequestBody,
    backend: Backend,
    limits: Model,
    parts: dict[str, Piece],
    messages: list[Piece] | None,
    signer: Signer,
) -> list[Piece] | None:
    """Reduce `parts`, the members of `body`, to what `backend`, its `signer`, and its model take.

    Returned is what becomes of `messages`, the items of that member.

    Raises:
        SpliceError: something in it can't be taken apart.
    """
    wanted = _wanted(backend, limits)
    form = _answer_form(parts)
    _keep_fields(parts, wanted)
    lines: list[str] = []
    if not body.is_odd:
        if not backend.billing_header_block:
            _drop_billing_block(body, parts)
        messages, changes = _fit_messages(body, backend, wanted, messages, signer)
        lines = _fit_inner(backend, wanted, parts, changes)
        _fit_thinking(body, backend, limits, parts, signer)
    if form is not None and not wanted.takes_any_field:
        text = body.surrogates.restore(form[1])  # in a quotation stand-ins are not escapes
        lines.append(form[0] + text.decode(errors="replace"))
    for line in lines:
        _add_to_system(parts, line)
    for name in (*NEVER, *backend.drop_fields):
        parts.pop(name, None)
    return messages


def _wanted(backend: Backend, limits: Model) -> Wanted:
    return Wanted(
        accepts=service_of(backend.name).accepts,
        more_fields=backend.accept_fields,
        more_blocks=backend.accept_blocks,
        images=limits.images,
        documents=limits.documents,
        system_role=backend.system_role_in_messages,
    )


def _keep_fields(parts: dict[str, Piece], wanted: Wanted) -> None:
    if wanted.takes_any_field:
        return
    for name in parts.keys() - {*wanted.accepts.fields, *wanted.more_fields}:
        del parts[name]
    for name in parts.keys() - _REQUIRED:
        if json_splice.starts_with(parts[name], b"null"):
            del parts[name]
    keep_within(parts, "thinking", wanted.names("thinking", wanted.accepts.thinking))
    if "output_config" not in wanted.more_fields:
        keep_within(parts, "output_config", frozenset({"effort"}))
        if bytes(parts.get("output_config", b"")) == b"{}":
            del parts["output_config"]


def _fit_messages(
    body: RequestBody,
    backend: Backend,
    wanted: Wanted,
    messages: list[Piece] | None,
    signer: Signer,
) -> tuple[list[Piece] | None, Mapping[str, bytes | None]]:
    """Fit the messages; return them, and what they change in the list of tools."""
    if not body.messages or messages is None:
        return messages, {}
    target: Target = "gateway" if wanted.system_role else "delegate"
    repairs = survey(body, signer, target)
    cleaner = DelegateCleaner(allow_list.for_wanted(wanted), body)
    written = HistoryWriter(repairs, cleaner).write(body, messages)
    return written, cleaner.tool_changes


def _fit_inner(
    backend: Backend,
    wanted: Wanted,
    parts: dict[str, Piece],
    changes: Mapping[str, bytes | None],
) -> list[str]:
    """Fit system prompt and tools; return lines that the system prompt has to say."""
    allowed = allow_list.for_wanted(wanted)
    if "system" in parts:
        _fit_system(parts, allowed)
    tools = tool_list.for_wanted(wanted)
    has_advisor = tools.apply(parts, changes, server_tools=backend.server_tools)
    return [NO_ADVISOR] if has_advisor and not wanted.takes_any_field else []


def _fit_thinking(
    body: RequestBody, backend: Backend, limits: Model, parts: dict[str, Piece], signer: Signer
) -> None:
    """Switch thinking off where the service wants to see thinking that the history has not."""
    if not service_of(backend.name).wants_thinking_with_calls or limits.always_thinks:
        return
    if thinking.lacks_thinking(body, signer):
        parts["thinking"] = _NO_THINKING


def _fit_system(parts: dict[str, Piece], allowed: allow_list.AllowList) -> None:
    """Keep of the system prompt what the service takes."""
    if not json_splice.starts_with(parts["system"], b"["):
        parts["system"] = account_email.without(parts["system"], is_reminder=True)
        if is_blank_json(parts["system"]):
            del parts["system"]
        return
    before = json_splice.items(parts["system"])
    found = (allowed.system_block(block) for block in before)
    after = [block for block in found if block is not None]
    if after != before:
        parts["system"] = json_splice.join_items(after)
    if not after:
        del parts["system"]


def _add_to_system(parts: dict[str, Piece], line: str) -> None:
    """Put a line of Offramp's own behind the system prompt."""
    system = parts.get("system", b"null")
    text = json_splice.value_text(line)
    if json_splice.starts_with(system, b"["):
        block = b'{"type":"text","text":' + text + b"}"
        parts["system"] = json_splice.join_items([*json_splice.items(system), block])
    elif json_splice.starts_with(system, b'"') and bytes(system) != b'""':
        parts["system"] = bytes(system)[:-1] + rb"\n\n" + text[1:]
    else:
        parts["system"] = text


def _answer_form(parts: dict[str, Piece]) -> tuple[str, bytes] | None:
    """What to say of the form that the answer has to have; None where any will do."""
    for name, inner in (("output_config", "format"), ("output_format", None)):
        try:
            asked = parts[name] if inner is None else json_splice.members(parts[name])[inner]
            found = json_splice.members(asked)
        except (KeyError, SpliceError):
            continue
        if "schema" in found:
            return _ANSWER_BY_SCHEMA, bytes(found["schema"])
        if found and bytes(found.get("type", b"")) != b'"text"':
            return _ANSWER_IN_FORM, bytes(asked)
    return None


def _drop_billing_block(body: RequestBody, parts: dict[str, Piece]) -> None:
    """Take the billing header out of the system prompt; what stands behind it stays."""
    texts = body.system_texts()
    if not any(has_billing_line(text) for text in texts):
        return
    if body.view and isinstance(body.view.system, str):
        rest = without_billing_line(texts[0])
        kept = json_splice.value_text(rest) if rest else None
    else:
        kept = _blocks_without_billing(json_splice.items(parts["system"]), texts)
    if kept is None:
        del parts["system"]
    else:
        parts["system"] = kept


def _blocks_without_billing(blocks: list[Piece], texts: list[str]) -> bytes | None:
    """`blocks`, whose texts are `texts`, without the billing header; None if none is left."""
    kept: list[Piece] = []
    for block, text in zip(blocks, texts, strict=True):
        if not has_billing_line(text):
            kept.append(block)
        elif rest := without_billing_line(text):
            kept.append(
                json_splice.join_members(
                    {**json_splice.members(block), "text": json_splice.value_text(rest)}
                )
            )
    return json_splice.join_items(kept) if kept else None
