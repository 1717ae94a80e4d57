"""Turns thinking off in a request to Claude whose history no longer allows it. Pure.

Only the `enabled` form of thinking demands that a turn in a tool loop begins with thinking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from offramp_core.services import anthropic
from offramp_daemon.messages import json_splice
from offramp_daemon.messages.json_splice import Piece, SpliceError

if TYPE_CHECKING:
    from offramp_daemon.messages.request_body import RequestBody

_DISABLED = b'{"type":"disabled"}'
_CLEAR_THINKING = "clear_thinking"


class _Edit(msgspec.Struct, gc=False):
    """An item of `context_management.edits`."""

    type: str = ""


class _Config(msgspec.Struct, gc=False):
    effort: Any = None


_EDIT = msgspec.json.Decoder(_Edit)
_CONFIG = msgspec.json.Decoder(_Config)


def turn_off(body: RequestBody, parts: dict[str, Piece]) -> bool:
    """Turn `enabled` thinking off in the members of `body`; return whether anything changed.

    What only works with thinking goes too. Other forms of thinking stay as they are.
    """
    kind = _type(body)
    if kind not in (None, "enabled", "disabled"):
        return False
    if kind == "enabled":
        if _may_disable(body, parts):
            parts["thinking"] = _DISABLED
        else:
            del parts["thinking"]
    return _drop_edits(parts) or kind == "enabled"


def is_enabled(body: RequestBody) -> bool:
    """Whether a request asks for the `enabled` form of thinking."""
    return _type(body) == "enabled"


def _type(body: RequestBody) -> object:
    return body.view.thinking.type if body.view and body.view.thinking else None


def _may_disable(body: RequestBody, parts: dict[str, Piece]) -> bool:
    """Whether Claude takes thinking that is `disabled`, rather than left out."""
    model = (body.model or "").lower()
    if any(name in model for name in anthropic.NEVER_DISABLE_THINKING):
        return False
    configs = [message.output_config for message in body.messages]
    configs.append(msgspec.Raw(parts.get("output_config", b"")))
    return not any(_effort(config) in anthropic.EFFORTS_THAT_THINK for config in configs)


def _effort(config: Piece) -> object:
    try:
        return _CONFIG.decode(config).effort if config else None
    except (ValueError, RecursionError):
        return None


def _drop_edits(parts: dict[str, Piece]) -> bool:
    """Drop the edits of `context_management` that only work with thinking."""
    try:
        management = json_splice.members(parts["context_management"])
        edits = json_splice.items(management["edits"])
    except (KeyError, SpliceError):
        return False
    kept = [edit for edit in edits if not _needs_thinking(edit)]
    if len(kept) == len(edits):
        return False
    if kept:
        management["edits"] = json_splice.join_items(kept)
    else:
        del management["edits"]
    if management:
        parts["context_management"] = json_splice.join_members(management)
    else:
        del parts["context_management"]
    return True


def _needs_thinking(edit: Piece) -> bool:
    try:
        return _EDIT.decode(edit).type.startswith(_CLEAR_THINKING)
    except (ValueError, RecursionError):
        return False
