"""Names what today's clients send that a delegate does not get, and what becomes of each.

`accepts` says what a delegate gets; all else is left out. What is listed here was seen in a
client's requests, or is documented, and is left out on purpose. A test compares both lists with
recorded requests, so that anything new in a client's next version is noticed.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "context_management": "Anthropic clears old thinking by it; a delegate gets only its own",
        "diagnostics": "a look into Anthropic's prompt cache",
        "fallbacks": "models of Claude that Anthropic may answer with",
        "fallback_credit_token": "a token of Anthropic's",
        "mcp_servers": "addresses with tokens, for Anthropic to connect to",
        "metadata": "whose account and device it is",
        "safeguards": "a safety check that only Claude makes: such a request stays on Claude",
        "thread": "the conversation's state at Anthropic",
    }
)
"""Fields of the body."""

THINKING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "display": "whether thinking comes as text; a delegate's always does",
        "block_binding": "how Anthropic's signatures bind thinking to a conversation",
    }
)

OUTPUT_CONFIG: Final[Mapping[str, str]] = MappingProxyType(
    {
        "effort": "only a model that takes one gets it",
        "format": "the schema that an answer has to fit: Anthropic's own feature",
    }
)

TOOL: Final[Mapping[str, str]] = MappingProxyType(
    {"defer_loading": "a search loads the tool; until then its description may stay away"}
)

TOOL_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "advisor_": "asks a stronger model at Anthropic",
        "web_search_": "searches at Anthropic: such a request stays on Claude",
    }
)
"""How the types of tools begin that run at Anthropic."""

CACHE_CONTROL: Final[Mapping[str, str]] = MappingProxyType(
    {"scope": "who shares Anthropic's prompt cache"}
)

MESSAGE: Final[Mapping[str, str]] = MappingProxyType(
    {"output_config": "the effort from this message on; a delegate gets the body's"}
)

BLOCKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "compaction": "a summary; its text is kept",
        "connector_text": "its text is kept",
        "container_upload": "a file at Anthropic",
        "fallback": "a mark that another model of Claude went on from there",
        "mid_conv_system": "its text is kept",
        "search_result": "its text is kept",
        "server_tool_use": "a call of a tool that runs at Anthropic",
        "tool_addition": "a tool that can be called from now on; said in words",
        "tool_definition": "a tool that can be called from now on; said in words",
        "tool_reference": "a tool that a search has loaded; said in words",
        "tool_removal": "a tool that can't be called any more; said in words",
        "web_search_tool_result": "what a search at Anthropic found; its text is kept",
    }
)
"""Types of blocks."""

SCHEMA: Final[Mapping[str, str]] = MappingProxyType(
    {
        "$defs": "parts that `$ref` refers to; they are put in its place",
        "$ref": "Z.ai answers it with the error 1234 (reports); what it refers to takes its place",
        "propertyNames": "limits names of properties; not every service knows it",
    }
)
"""Keywords of a tool's input schema."""
