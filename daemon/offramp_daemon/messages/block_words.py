"""Puts into words what a content block means that a delegate does not know. Pure.

Blocks whose meaning is not known have no words: whatever a future client adds stays out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from offramp_daemon.messages import json_splice

if TYPE_CHECKING:
    from offramp_daemon.messages.json_splice import Piece

_TEXT_KEYS = (
    *("title", "url", "source", "text", "stdout", "stderr", "content", "data"),
    *("lines", "tool_references"),
)
"""Where search results and the results of server tools hold text, in the order to read it."""
TOOL_CHANGES = ("tool_addition", "tool_removal", "tool_definition")
"""Blocks that change which tools there are."""
_HAVE_OTHER_WORDS = ("image", "document", "tool_reference")
"""These are not read for texts, inside a result either: their data is none."""
_SPOKEN_INPUTS = ("query", "url", "code", "command")
"""What calls of Anthropic's own tools say, by the names in their inputs. Its documentation."""
_PLAIN_SOURCES = ("text", "content")
_UPLOAD = "[A file was given to the code tool: it is not available here.]"
_FILE = "[A file at Anthropic was left out: it is not available here.]"
_IMAGE = "[An image was left out: this model takes no images.]"
_DOCUMENT = "[A document was left out: this model takes no such documents.]"


def words_for(piece: Piece) -> str:
    """Say what the block means; empty where that is nothing to a delegate."""
    try:
        block = json.loads(bytes(piece))
        return _words(block) if isinstance(block, dict) else ""
    except (ValueError, RecursionError):
        return ""


def text_block(words: str) -> bytes:
    """Build a text block of `words`."""
    return b'{"type":"text","text":' + json.dumps(words).encode() + b"}"


def _words(block: dict[str, Any]) -> str:
    match block.get("type"):
        case "text" | "compaction" | "search_result" | "connector_text" | "mid_conv_system":
            return "\n".join(_texts(block, (*_TEXT_KEYS, "connector_text")))
        case "tool_reference":
            return _about_tool(block, "The tool {} is loaded and can be called now.")
        case "tool_addition":
            return _about_tool(_tool_of(block), "The tool {} can be called from now on.")
        case "tool_removal":
            return _about_tool(_tool_of(block), "The tool {} can't be called any more.")
        case "tool_definition":
            return _about_tool(block, "The tool {} can be called from now on.")
        case "tool_result":
            return "\n".join(_texts(block, ("content",)))
        case "image":
            return _FILE if _source_type(block) == "file" else _IMAGE
        case "document":
            return _about_document(block)
        case "container_upload":
            return _UPLOAD
        case "server_tool_use" | "mcp_tool_use":
            return _about_call(block)
        case str(kind) if kind.endswith("_tool_result"):
            return "\n".join([*_texts(block, ("content",)), *_failure(block)])
        case _:
            return ""


def _tool_of(block: dict[str, Any]) -> dict[str, Any]:
    tool = block.get("tool")
    return tool if isinstance(tool, dict) else block


def tool_name(block: dict[str, Any]) -> str:
    """The tool that a reference or a definition names; empty for none."""
    name = block.get("tool_name") or block.get("name")
    return name if isinstance(name, str) else ""


def _about_tool(block: dict[str, Any], sentence: str) -> str:
    name = tool_name(block)
    return sentence.format(name) if name else ""


def _source_type(block: dict[str, Any]) -> object:
    source = block.get("source")
    return source.get("type") if isinstance(source, dict) else None


def _about_document(block: dict[str, Any]) -> str:
    """What a document says, if that is written in it; else that it was left out."""
    kind = _source_type(block)
    if kind in _PLAIN_SOURCES:
        return "\n".join(_texts(block, ("title", "context", "source")))
    return _FILE if kind == "file" else _DOCUMENT


def _about_call(block: dict[str, Any]) -> str:
    """Say what a tool of the service's own was asked; empty if that is not known."""
    name, asked = tool_name(block), block.get("input")
    if not isinstance(asked, dict) or not name:
        return ""
    if block.get("type") == "mcp_tool_use":
        said = json.dumps(asked, ensure_ascii=False)
    else:
        said = "\n".join(_texts(asked, _SPOKEN_INPUTS))
    return f"[The tool {name} was asked: {said}]" if said else ""


def _failure(block: dict[str, Any]) -> list[str]:
    """Say why a tool of the service's own failed."""
    content = block.get("content")
    code = content.get("error_code") if isinstance(content, dict) else None
    return [f"[The tool failed: {code}]"] if isinstance(code, str) else []


def _texts(value: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    """Every text that stands under one of `keys`, at any depth and in order."""
    found: list[str] = []
    for key in keys:
        inner = value.get(key)
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, str) and each.strip():
                found.append(each)
            elif isinstance(each, dict):
                found += [_words(each)] if _is_block(each) else _texts(each, _TEXT_KEYS)
    return [text for text in found if text]


def _is_block(value: dict[str, Any]) -> bool:
    """Whether it has words as a block of its own; what a tool's result wraps has none."""
    kind = value.get("type")
    if kind in _HAVE_OTHER_WORDS:
        return True
    return "text" in value and not (isinstance(kind, str) and kind.endswith("_result"))


def change_of_tools(piece: Piece) -> tuple[str, bytes | None] | None:
    """The change that a block makes to the tools: a name, and the new tool or None to remove it.

    The tool is empty where a reference names one that was there before: it is there again. None
    where the block makes no change.
    """
    try:
        block = json_splice.members(piece)
        kind = json.loads(bytes(block["type"]))
        tool = json_splice.members(block["tool"]) if "tool" in block else block
        name = tool_name({key: json.loads(bytes(tool[key])) for key in _NAMES if key in tool})
    except (json_splice.SpliceError, ValueError, KeyError, RecursionError):
        return None
    if kind == "tool_removal" and name:
        return name, None
    if kind not in ("tool_addition", "tool_definition") or not name:
        return None
    if "input_schema" not in tool:
        return name, b""
    return name, json_splice.join_members({key: tool[key] for key in tool if key != "type"})


_NAMES = ("tool_name", "name")
