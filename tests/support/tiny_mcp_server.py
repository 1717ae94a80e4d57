"""A small MCP server on its standard input and output, with two tools and difficult schemas.

Run as a program by Claude Code; JSON-RPC, one message a line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

_TOOLS = [
    {
        "name": "add",
        "description": "Add two numbers.",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        },
    },
    {
        "name": "find",
        "description": "Find a word in a page.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "word": {"type": "string", "pattern": r"^[^\p{Cc}]{1,200}$"},
                "pattern": {"type": "string", "pattern": "^(?!x)"},
                "page": {"$ref": "#/$defs/page"},
            },
            "required": ["word"],
            "$defs": {"page": {"type": "string", "format": "uri"}},
        },
    },
]


def _result(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "initialize":
            return {
                "protocolVersion": params.get("protocolVersion", "2025-06-18"),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "tiny", "version": "1"},
            }
        case "tools/list":
            return {"tools": _TOOLS}
        case "tools/call":
            asked = params.get("arguments") or {}
            said = str(sum(asked[name] for name in ("a", "b"))) if "a" in asked else "found it"
            return {"content": [{"type": "text", "text": said}]}
        case "ping":
            return {}
        case _:
            return None


def main() -> None:
    """Answer requests until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        result = _result(asked.get("method", ""), asked.get("params") or {})
        unknown = {"error": {"code": -32601, "message": "Method not found"}}
        answer = unknown if result is None else {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
