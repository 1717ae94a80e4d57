"""How the requests of `side_by_side.py` are written, and what holds them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pair_answers import Script

TOKEN = "sk-ant-oat01-" + "fake" * 22
KEY = "0123456789abcdef0123456789abcdef.FakeFakeFakeFake"

OPUS = "claude-opus-4-6"
SONNET = "claude-sonnet-4-5"
HAIKU = "claude-haiku-4-5"

MESSAGES = "/v1/messages?beta=true"
COUNT = "/v1/messages/count_tokens?beta=true"

Headers = tuple[tuple[str, str], ...]

LOGIN: Headers = (("Authorization", f"Bearer {TOKEN}"),)
CLIENT: Headers = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    (
        "anthropic-beta",
        "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14,"
        "fine-grained-tool-streaming-2025-05-14",
    ),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("anthropic-version", "2023-06-01"),
    ("Content-Type", "application/json"),
    ("User-Agent", "claude-cli/2.1.330 (external, cli)"),
    ("x-app", "cli"),
    ("X-Stainless-Lang", "js"),
    ("X-Stainless-Retry-Count", "0"),
)

PORTS = ("@claude@", "@zai@", "@nowhere@")
"""What stands for the ports of a side in its settings; on the last one nobody listens."""


def config(
    top: str = "",
    more: str = "",
    *,
    claude: str = "@claude@",
    zai: str = "@zai@",
    has_key: bool = True,
) -> str:
    """Settings whose ports are still to be filled in; `claude` and `zai` say where each one is."""
    return f"""\
{top}
zai_quota = false
[backend.anthropic]
base_url = "http://127.0.0.1:{claude}"
[backend.zai]
base_url = "http://127.0.0.1:{zai}/api/anthropic"
{f'key = "{KEY}"' if has_key else ""}
{more}
"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request: the client's bytes, and what the services answer to what they get of it."""

    name: str
    pieces: tuple[bytes, ...]
    claude: Sequence[Script] = ()
    zai: Sequence[Script] = ()
    leaves_after: bytes | None = None
    """The client resets the connection after these bytes; at once where they are none."""

    @property
    def is_head(self) -> bool:
        """Whether its answer has no body, whatever its headers say."""
        return self.pieces[0].startswith(b"HEAD ")


@dataclass(frozen=True)
class Command:
    """One command of `offramp`, run beside the daemon."""

    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return " ".join(self.arguments)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Requests that one daemon gets, one after another."""

    name: str
    steps: tuple[Request | Command, ...]
    config: str = config()


def session(name: str) -> tuple[str, str]:
    """The header of a conversation of its own."""
    number = uuid.uuid5(uuid.NAMESPACE_URL, name)
    return ("x-claude-code-session-id", str(number))


def encode(body: Any) -> bytes:
    """`body` as Claude Code writes it."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def http(
    method: str, target: str, body: bytes = b"", headers: Headers = (), *, has_length: bool = True
) -> bytes:
    """One request with a length, on a connection that ends with its answer."""
    lines = [f"{method} {target} HTTP/1.1"]
    given = {name.lower() for name, _ in headers}
    if "host" not in given:
        lines.append("Host: localhost")
    lines += [f"{name}: {value}" for name, value in headers]
    if "connection" not in given:
        lines.append("Connection: close")
    if has_length and (body or method == "POST"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def ask(model: str | None = SONNET, *, is_streamed: bool = True, **fields: Any) -> dict[str, Any]:
    """A plain request for a message."""
    body: dict[str, Any] = {} if model is None else {"model": model}
    body |= {"max_tokens": 200, "messages": [{"role": "user", "content": "Hello, wörld"}]}
    return body | ({"stream": True} if is_streamed else {}) | fields


def post(
    name: str,
    body: Any = None,
    *,
    target: str = MESSAGES,
    headers: Headers | None = None,
    claude: Sequence[Script] = (),
    zai: Sequence[Script] = (),
    is_logged_in: bool = True,
    leaves_after: bytes | None = None,
) -> Request:
    """A POST like Claude Code's; `body` is bytes, or what is to become JSON."""
    content = body if isinstance(body, bytes) else encode(ask() if body is None else body)
    own = headers if headers is not None else (*CLIENT, session(name))
    return Request(
        name=name,
        pieces=(http("POST", target, content, (*(LOGIN if is_logged_in else ()), *own)),),
        claude=claude,
        zai=zai,
        leaves_after=leaves_after,
    )
