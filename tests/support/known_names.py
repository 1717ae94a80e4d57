"""Which names in the shape of a client's requests no file about the services mentions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from offramp_core.services import left_out
from offramp_core.services.accepts import MESSAGES_API

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PART = re.compile(r"([^\[]*)(?:\[(.*)\])?")


def unknown_in(shape: Mapping[str, Any]) -> list[str]:
    """List the fields, block types and schema keywords that are neither taken nor left out."""
    places = [place for place in shape["fields"] if not _is_known(place.split("."))]
    known = {*MESSAGES_API.schema, *left_out.SCHEMA}
    return [*places, *(word for word in shape["schema_keywords"] if word not in known)]


def _is_known(parts: list[str]) -> bool:
    name, kind = _name_and_type(parts[0])
    match name:
        case "messages":
            return _is_known_in_message(parts[1:])
        case "system":
            return kind is None or _is_known_block(kind, parts[1:])
        case "tools":
            return kind is None or _is_known_tool(kind, parts[1:])
        case "thinking":
            return _is_one_of(parts[1:], MESSAGES_API.thinking, left_out.THINKING)
        case "tool_choice":
            return _is_one_of(parts[1:], MESSAGES_API.tool_choice)
        case "output_config":
            return _is_one_of(parts[1:], left_out.OUTPUT_CONFIG)
        case _:
            return name in MESSAGES_API.fields or name in left_out.FIELDS


def _is_known_in_message(parts: list[str]) -> bool:
    if not parts:
        return True
    role, kind = _name_and_type(parts[0])
    if role not in ("user", "assistant", "system"):
        return False
    if kind is None:
        return _is_one_of(parts[1:], MESSAGES_API.message, left_out.MESSAGE)
    return _is_known_block(kind, parts[1:])


def _is_known_block(kind: str, parts: list[str]) -> bool:
    if kind in left_out.BLOCKS:
        return True
    if kind not in MESSAGES_API.blocks:
        return False
    if not parts or parts[0] == "type":
        return True
    name, inner = _name_and_type(parts[0])
    if name not in MESSAGES_API.blocks[kind]:
        return False
    if name == "cache_control":
        return _is_one_of(parts[1:], MESSAGES_API.cache_control, left_out.CACHE_CONTROL)
    is_content = name == "content" and inner is not None
    return not is_content or _is_known_block(inner or "", parts[1:])


def _is_known_tool(kind: str, parts: list[str]) -> bool:
    if kind != "custom":
        return kind.startswith(tuple(left_out.TOOL_TYPES))
    if parts and parts[0] == "cache_control":
        return _is_one_of(parts[1:], MESSAGES_API.cache_control, left_out.CACHE_CONTROL)
    return _is_one_of(parts, MESSAGES_API.tool, left_out.TOOL)


def _is_one_of(parts: list[str], *known: Collection[str]) -> bool:
    return not parts or any(parts[0] in names for names in known)


def _name_and_type(part: str) -> tuple[str, str | None]:
    """Split `content[text]` into its name and the type of its items, if it says one."""
    found = _PART.fullmatch(part)
    assert found is not None
    return found[1], found[2]
