"""What GLM models write wrongly at times, where a request asks for it: reports of their users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offramp_simulator.service.faults import Faults
    from offramp_simulator.service.request_view import JsonObject

_TOKEN = "</arg_value>"
_SAME_ID = "call_0000000000000000"


def as_glm_writes(block: JsonObject, faults: Faults, position: int) -> JsonObject:
    """Write a tool call with the slips that are asked for; other blocks stay as they are."""
    if block.get("type") != "tool_use":
        return block
    written = dict(block)
    if "odd-input" in faults:
        written["input"] = _odd_input(block["input"], faults.value("odd-input"))
    if "leaked-name" in faults:
        written["name"] = f"{block['name']}{_TOKEN}"
    if "odd-ids" in faults:
        written["id"] = f"functions.{block['name']}:{position}"
    if "same-ids" in faults:
        written["id"] = _SAME_ID
    return written


def _odd_input(arguments: object, kind: str | None) -> object:
    match kind:
        case "string":
            return json.dumps(arguments)
        case "null":
            return None
        case _:
            return [arguments]
