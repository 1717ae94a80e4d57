"""Lists what a service takes in the body of a request; a delegate gets nothing else.

The default is the first form of the Messages protocol, which every service of the kind is known to
take. Fields and blocks that clients have begun to send since then are refused by strict services:
reports, which name Kimi, DeepSeek and Bailian. That Z.ai refuses each of them is a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Names = tuple[str, ...]
Extra = Names | Literal["all"]
"""What a backend takes besides, by name; `all` for a gateway to Claude itself."""

NEVER: Final = ("metadata", "mcp_servers")
"""Fields that no setting lets through: whose account and device it is; addresses with tokens."""

_TOP: Final = (
    "model",
    "max_tokens",
    "messages",
    "system",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
    "thinking",
    "tools",
    "tool_choice",
    "output_config",  # only the effort, and only to a model that takes one
)

_SCHEMA: Final = (
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "default",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "nullable",
    "oneOf",
    "pattern",  # without what `SAFE_PATTERN` excludes
    "prefixItems",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
)

SAFE_PATTERN: Final = r"(?s)(?!.*(?:\\[pP]|\(\?(?!:)))"
"""Matches regular expressions without `\\p{…}` and lookaround, which give 1210 at Z.ai: reports.
Named groups and flags, which some engines refuse, are excluded with them: a guess."""

_BLOCKS: Final[Mapping[str, Names]] = MappingProxyType(
    {
        "text": ("text", "cache_control"),
        "image": ("source", "cache_control"),
        "document": ("source", "title", "context", "cache_control"),
        "thinking": ("thinking", "signature"),
        "redacted_thinking": ("data",),
        "tool_use": ("id", "name", "input", "cache_control"),
        "tool_result": ("tool_use_id", "content", "is_error", "cache_control"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accepts:
    """The names of everything that a service takes, by where they stand."""

    fields: Names = _TOP
    thinking: Names = ("type", "budget_tokens")
    tool_choice: Names = ("type", "name", "disable_parallel_tool_use")
    tool: Names = ("name", "description", "input_schema", "type", "cache_control")
    cache_control: Names = ("type", "ttl")
    source: Names = ("type", "media_type", "data", "url")
    """Of an image or a document."""
    source_types: Names = ("base64", "url", "text")
    """Files at Anthropic are of another type: nobody else can open them."""
    message: Names = ("role", "content")
    schema: Names = _SCHEMA
    safe_pattern: str = SAFE_PATTERN
    blocks: Mapping[str, Names] = field(default_factory=lambda: _BLOCKS)
    """The fields of each block type, besides `type`."""
    user_blocks: Names = ("text", "image", "document", "tool_result")
    assistant_blocks: Names = ("text", "thinking", "redacted_thinking", "tool_use")
    result_blocks: Names = ("text", "image", "document")
    """Inside a tool's result."""
    system_blocks: Names = ("text",)


MESSAGES_API: Final = Accepts()
