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
_DISABLED = b'{"type":"disabled"}'
_USUAL_EFFORT = "high"
"""What a request without an effort gets from Claude. Anthropic's documentation."""
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
"""All efforts, the smallest first."""


def fit(parts: dict[str, Piece], limits: Model) -> None:
    """Change the members of a request in `parts` to what a model with `limits` takes."""
    room = _fit_max_tokens(parts, limits)
    _fit_thinking(parts, limits, room)
    _fit_effort(parts, limits)


def _fit_max_tokens(parts: dict[str, Piece], limits: Model) -> int | None:
    """Raise or lower `max_tokens`, and return it; None if there is none, or not a number."""
    asked = _whole_number(parts.get("max_tokens"))
    if asked is None or asked < 1:
        return None
    sent = asked
    if limits.always_thinks and asked < ROOM_TO_THINK:
        sent = ROOM_TO_THINK
    if limits.max_output_tokens is not None:
        sent = min(sent, limits.max_output_tokens)
    if sent != asked or asked == _number(parts["max_tokens"]):
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
    given = thinking.get("budget_tokens")
    budget = _whole_number(given)
    if budget is None or budget != _number(given):
        return
    if room is not None and room <= budget:
        if room <= _LEAST_BUDGET:
            _leave_no_budget(parts, limits)
            return
        budget = max(_LEAST_BUDGET, room - ROOM_TO_THINK)
    thinking["budget_tokens"] = msgspec.json.encode(budget)
    parts["thinking"] = json_splice.join_members(thinking)


def _leave_no_budget(parts: dict[str, Piece], limits: Model) -> None:
    """Ask for no thinking, as the answer is too short for the smallest budget."""
    if limits.always_thinks:
        del parts["thinking"]
    else:
        parts["thinking"] = _DISABLED


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

    An effort that is not known counts as the usual one. None where nothing is taken or asked.
    """
    if asked in taken or asked is None:
        return asked
    ranked = sorted((each for each in taken if each in _EFFORTS), key=_EFFORTS.index)
    if not ranked:
        return None
    known = asked.lower() if asked.lower() in _EFFORTS else _USUAL_EFFORT
    rank = _EFFORTS.index(known)
    return next((each for each in ranked if _EFFORTS.index(each) >= rank), ranked[-1])


def _whole_number(piece: Piece | None) -> int | None:
    """Read a number, which may be written with a point or as text, and cut its fraction off."""
    number = _number(piece)
    return None if number is None else int(number)


def _number(piece: Piece | None) -> int | float | None:
    try:
        value = msgspec.json.decode(piece, type=int | float | str) if piece else None
        return int(value) if isinstance(value, str) else value
    except ValueError:
        return None


def _text(piece: Piece | None) -> str | None:
    try:
        return msgspec.json.decode(piece, type=str) if piece else None
    except ValueError:
        return None
