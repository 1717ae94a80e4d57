"""Recognises paths that a wrong base URL or a slip makes of the paths that Offramp serves.

What is passed on unread goes to Anthropic with the client's credentials, and a prompt under a
misspelt path would go there too, unrouted and uncounted. So what is nearly one of our paths is
answered here. Anthropic's other paths, today's and future ones, are none of them. Pure.
"""

from __future__ import annotations

import difflib
import itertools
import re
from urllib.parse import unquote

_VERSION, _MESSAGES, _COUNT_TOKENS = "v1", "messages", "count_tokens"
_LONGEST = 500
"""Characters of a path that are looked at: more than any slip makes of it."""
_SEPARATORS = re.compile(r"[/\\]+")
_END_OF_PATH = re.compile(r"[?#;]")
_DOUBLED = re.compile(r"[/\\]{2}")
_PREFIXES = frozenset(
    {_VERSION, "v2", "v3", "v4", "v1beta", "beta", "api", "anthropic", "claude", "offramp"}
    | {"openai", "zai", "paas", "coding", "proxy", "llm", _MESSAGES}
)
"""What base URLs of other services and gateways end in, and so may have been copied from them."""
_FOREIGN_BASES = (
    (_VERSION, _VERSION),
    ("anthropic",),
    ("api", "anthropic"),
    ("openai",),
)
"""No path of Anthropic's begins so, whatever follows."""
_ENDPOINTS = frozenset({_MESSAGES, _COUNT_TOKENS, "complete", "completions", "responses"})
"""Ours, and those of interfaces that Offramp does not speak."""
_HEALTHS = frozenset({"health", "healthz"})
_SIMILAR = 0.8


def is_health(path: str) -> bool:
    """Whether `path`, without a query, asks for the daemon's health, in any spelling of it."""
    return len(path) < _LONGEST and _segments(path) == ["health"]


def is_misspelt(path: str) -> bool:
    """Whether `path`, without a query, is meant for Offramp, but is not a path that it serves."""
    segments = _segments(path[:_LONGEST])
    if not segments or not path.startswith("/"):
        return False
    if _DOUBLED.match(path):
        # Anything else after two slashes might name a host: that is not a path at all.
        return segments[0] in _PREFIXES | _ENDPOINTS | _HEALTHS | {"chat"}
    if segments[0] in _HEALTHS:
        return True
    if any(tuple(segments[: len(base)]) == base for base in _FOREIGN_BASES):
        return True
    return _is_odd_messages_path(path, segments) or _is_lone_endpoint(path, segments)


def _is_odd_messages_path(path: str, segments: list[str]) -> bool:
    """Whether the path has `v1/messages` in it, but not as Anthropic has it."""
    if (_VERSION, _MESSAGES) not in itertools.pairwise(segments):
        return False
    if not (path == "/v1/messages" or path.startswith("/v1/messages/")):
        return True
    if path.endswith(("/", "\\")) or _DOUBLED.search(path):
        return True
    below = segments[2:]
    is_slip = bool(below) and below[0] != _COUNT_TOKENS and _is_like(below[0], _COUNT_TOKENS)
    return _MESSAGES in below or is_slip or (below[:1] == [_COUNT_TOKENS] and not _is_count(path))


def _is_count(path: str) -> bool:
    return path == "/v1/messages/count_tokens"


def _is_lone_endpoint(path: str, segments: list[str]) -> bool:
    """Whether the path is an endpoint, or nearly one, after nothing but parts of base URLs."""
    if path == "/v1/messages" or _is_count(path):
        return False
    *before, last = segments
    if before and (before[-1] == "chat" or _is_like(before[-1], _MESSAGES)):
        is_endpoint = last == "completions" or _is_like(last, _COUNT_TOKENS)
        before = before[:-1]
    else:
        is_endpoint = last in _ENDPOINTS | _HEALTHS or _is_like(last, _MESSAGES)
    return is_endpoint and all(segment in _PREFIXES for segment in before)


def _is_like(segment: str, name: str) -> bool:
    return difflib.SequenceMatcher(None, segment, name).ratio() >= _SIMILAR


def _segments(path: str) -> list[str]:
    """The path's parts in lower case, decoded, without those that are empty or dots."""
    plain = unquote(path)
    if "%" in plain:  # encoded twice
        plain = unquote(plain)
    plain = _END_OF_PATH.split(plain, maxsplit=1)[0].lower()
    parts: list[str] = []
    for part in (part.strip() for part in _SEPARATORS.split(plain)):
        if part == "..":
            del parts[-1:]
        elif part and part != ".":
            parts.append(part)
    return parts
