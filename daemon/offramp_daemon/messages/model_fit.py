"""Fits the fields of a request that a model limits: `max_tokens`, `thinking` and the effort. Pure.

Bodies bound for Anthropic never come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from offramp_daemon.messages import json_splice
from offramp_daemon.messages.json_splice import Piece, SpliceError

if TYPE_CHECKING:
    from offramp_core.services import Model

ROOM_TO_THINK = 4096
"""What a model that always thinks needs at least, besides the few tokens of its answer."""
_LEAST_BUDGET = 1024
"""The smallest `budget_tokens` that Anthropic's protocol knows. Its documentation."""
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
"""All efforts, the smallest first."""


def fit(parts: dict[str, Piece], limits: Model) -> None:
    """Change the members of a request in `parts` to what a model with `limits` takes."""
    room = _fit_max_tokens(parts, limits)
    _fit_thinking(parts, limits, room)
    _fit_effort(parts, limits)


def _fit_max_tokens(parts: dict[str, Piece], limits: Model) -> int | None:
    """Raise or lower `max_tokens`, and return it; None where there is none or it is no number."""
    asked = _whole_number(parts.get("max_tokens"))
    if asked is None or asked < 1:
        return None
    sent = asked
    if limits.always_thinks and asked < ROOM_TO_THINK:
        sent = ROOM_TO_THINK
    if limits.max_output_tokens is not None:
        sent = min(sent, limits.max_output_tokens)
    if sent != asked:
        parts["max_tokens"] = msgspec.json.encode(sent)
    return sent


def _fit_thinking(parts: dict[str, Piece], limits: Model, room: int | None) -> None:
    """Leave out `thinking` that the model refuses, and keep its budget below `max_tokens`."""
    try:
        thinking = json_splice.members(parts["thinking"])
    except (KeyError, SpliceError):
        return
    if limits.always_thinks and _text(thinking.get("type")) == "disabled":
        del parts["thinking"]
        return
    budget = _whole_number(thinking.get("budget_tokens"))
    if budget is None or room is None or not _LEAST_BUDGET < room <= budget:
        return
    thinking["budget_tokens"] = msgspec.json.encode(max(_LEAST_BUDGET, room - ROOM_TO_THINK))
    parts["thinking"] = json_splice.join_members(thinking)


def _fit_effort(parts: dict[str, Piece], limits: Model) -> None:
    """Choose the nearest effort that the model takes; leave it out where it takes none."""
    try:
        config = json_splice.members(parts["output_config"])
    except (KeyError, SpliceError):
        return
    if limits.efforts is None or "effort" not in config:
        return
    effort = nearest_effort(_text(config["effort"]), limits.efforts)
    if effort is None:
        del config["effort"]
    else:
        config["effort"] = json_splice.value_text(effort)
    if config:
        parts["output_config"] = json_splice.join_members(config)
    else:
        del parts["output_config"]


def nearest_effort(asked: str | None, taken: tuple[str, ...]) -> str | None:
    """Find the smallest of `taken` that is no less than `asked`, else the largest.

    None where nothing is taken, or `asked` is unknown and so has no neighbour.
    """
    if asked in taken:
        return asked
    ranked = sorted((each for each in taken if each in _EFFORTS), key=_EFFORTS.index)
    if asked not in _EFFORTS or not ranked:
        return None
    rank = _EFFORTS.index(asked)
    return next((each for each in ranked if _EFFORTS.index(each) >= rank), ranked[-1])


def _whole_number(piece: Piece | None) -> int | None:
    """Read a number, which may be written with a point."""
    try:
        return int(msgspec.json.decode(piece, type=int | float)) if piece else None
    except ValueError:
        return None


def _text(piece: Piece | None) -> str | None:
    try:
        return msgspec.json.decode(piece, type=str) if piece else None
    except ValueError:
        return None
