"""The shape of what a client sends: names, types and sizes of fields, and never their text.

The texts are not ours to keep: they are the client's prompts, and hold the account's address.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offramp_simulator import ReceivedRequest

_NAME = re.compile(r"[A-Za-z$_][A-Za-z0-9_$-]{0,63}")
_DEEPEST = 6
_OPAQUE = ("input", "input_schema", "classifier_context")
"""Objects whose names are a tool's own, or that hold the user's folders and rules."""
_JSON_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    dict: "object",
    list: "array",
}


@dataclass
class Shape:
    """What was seen of all requests together."""

    headers: set[str] = field(default_factory=set)
    betas: set[str] = field(default_factory=set)
    schema_keywords: set[str] = field(default_factory=set)
    types: dict[str, set[str]] = field(default_factory=dict)
    """By place, such as `messages.user[text].cache_control.ttl`."""
    sizes: dict[str, int] = field(default_factory=dict)
    """By place: the bytes of the largest value."""

    def add(self, received: ReceivedRequest) -> None:
        """Add a request as it arrived."""
        self.headers |= {name.lower() for name, _ in received.headers}
        betas = ",".join(received.header_values("anthropic-beta"))
        self.betas |= {name.strip() for name in betas.split(",") if name.strip()}
        self._add_object("", json.loads(received.body))

    def as_json(self) -> str:
        """Write it as sorted JSON; sizes are rounded up to a power of two, so that they last."""
        fields = {
            place: {"types": sorted(kinds), "bytes": 1 << (self.sizes[place] - 1).bit_length()}
            for place, kinds in sorted(self.types.items())
        }
        lines = [f"  {json.dumps(place)}: {json.dumps(one)}" for place, one in fields.items()]
        head = {
            "headers": sorted(self.headers),
            "betas": sorted(self.betas),
            "schema_keywords": sorted(self.schema_keywords),
        }
        named = [f"{json.dumps(name)}: {json.dumps(one)}" for name, one in head.items()]
        return "{\n" + ",\n".join([*named, '"fields": {\n' + ",\n".join(lines) + "\n}"]) + "\n}\n"

    def _add_object(self, place: str, value: dict[str, Any]) -> None:
        for name, inner in value.items():
            safe = name if _NAME.fullmatch(name) else "*"
            self._add_value(f"{place}.{safe}" if place else safe, inner)

    def _add_value(self, place: str, value: Any) -> None:
        self.types.setdefault(place, set()).add(_JSON_TYPES[type(value)])
        size = len(json.dumps(value).encode())
        self.sizes[place] = max(size, self.sizes.get(place, 1))
        last = place.rpartition(".")[2]
        if last == "input_schema":
            self.schema_keywords |= set(_keywords(value))
        if last in _OPAQUE or place.count(".") >= _DEEPEST:
            return
        if isinstance(value, dict):
            self._add_object(place, value)
        elif isinstance(value, list):
            for one in value:
                self._add_item(place, one)

    def _add_item(self, place: str, item: Any) -> None:
        """Add an item of an array under its role or its type, where it has one."""
        if not isinstance(item, dict):
            self._add_value(f"{place}[]", item)
        elif place == "messages":
            role = str(item.get("role"))
            content = item.get("content")
            rest = {name: one for name, one in item.items() if name != "content"}
            self._add_object(f"messages.{role}", rest)
            if isinstance(content, list):
                for block in content:
                    self._add_item(f"messages.{role}", block)
            else:
                self._add_value(f"messages.{role}.content", content)
        else:
            kind = str(item.get("type", "custom" if place == "tools" else ""))
            self._add_object(f"{place}[{kind}]", item)


def shape_of(requests: Iterable[ReceivedRequest]) -> Shape:
    """Take the shape of every message and count_tokens request."""
    shape = Shape()
    for received in requests:
        if received.method == "POST" and received.path_only.startswith("/v1/messages"):
            shape.add(received)
    return shape


def _keywords(schema: Any) -> Iterator[str]:
    """Yield the keywords of a JSON schema at every depth, the names of properties left out."""
    if isinstance(schema, list):
        for one in schema:
            yield from _keywords(one)
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        yield keyword
        if keyword in ("properties", "$defs", "definitions", "patternProperties"):
            for inner in value.values() if isinstance(value, dict) else ():
                yield from _keywords(inner)
        elif keyword not in ("enum", "const", "default", "examples", "required"):
            yield from _keywords(value)
