"""The faults that a request can ask for, and how they are written; the package lists them.

Parsing only: what a fault does is the business of the module that meets it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEADER = "x-sim-fault"

CODINGS = ("gzip", "deflate", "br", "zstd")
ONCE_PER_TEXT = ("signature-400", "expected-400", "modified-400")

KNOWN = frozenset(
    {
        *CODINGS,
        *ONCE_PER_TEXT,
        "chunk",
        "count",
        "crlf",
        "cut",
        "cut-clean",
        "drop",
        "empty",
        "error-200",
        "error-event",
        "events",
        "first-byte",
        "model",
        "leaked-name",
        "no-thinking",
        "noise",
        "odd-ids",
        "odd-input",
        "parallel",
        "quota",
        "quota-page",
        "redacted",
        "reset",
        "same-ids",
        "server-tool",
        "silence",
        "slow",
        "status",
        "text",
        "tool",
        "unified",
        "unsigned",
        "zai",
    }
)

_OPENING = re.compile(r"\[\[sim:([a-z0-9-]+)(?:=|(?=\]\]))")
_TOOL = re.compile(r"\s*([\w.:-]+)\s*(?=\{)")
_PHRASE = re.compile(r"use the tool ([\w.:-]+) with\s*(?=\{)", re.IGNORECASE)


class UnknownFaultError(OfframpError):
    """A fault was asked for that the simulator does not have, or with a value it can't read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `value` is what stood behind the equals sign."""

    name: str
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `NAME` or `NAME=VALUE`.

        Raises:
            UnknownFaultError: there is no fault of that name.
        """
        name, _, value = text.strip().partition("=")
        if name not in KNOWN:
            raise UnknownFaultError(
                f"The simulator has no fault {name!r}.",
                hint=f"It knows {', '.join(sorted(KNOWN))}.",
            )
        return cls(name, value)


@dataclass(frozen=True, slots=True)
class ToolAsk:
    """A tool call that the user's text asks for; `name` None means the first tool offered."""

    name: str | None
    arguments: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults of one request, whichever way they came."""

    items: tuple[Fault, ...] = ()

    @classmethod
    def gather(cls, text: str, headers: Iterable[str], scripted: Iterable[str]) -> Faults:
        """Faults from a user's text, from header values and from the script, in this order.

        Raises:
            UnknownFaultError: one of them does not exist.
        """
        written = [*markers(text), *headers, *scripted]
        return cls(tuple(Fault.parse(one) for one in written))

    def __contains__(self, name: str) -> bool:
        """Whether a fault of that name was asked for."""
        return any(fault.name == name for fault in self.items)

    def value(self, name: str) -> str | None:
        """What stands behind the first fault of that name; None if there is no such fault."""
        return next((fault.value for fault in self.items if fault.name == name), None)

    def number(self, name: str) -> float:
        """The value as a number; 0 where the fault is missing or bare.

        Raises:
            UnknownFaultError: the value is not a number.
        """
        written = self.value(name)
        if not written:
            return 0.0
        try:
            return float(written)
        except ValueError as error:
            raise UnknownFaultError(
                f"The simulator's fault {name!r} takes a number, not {written!r}."
            ) from error

    def count(self, name: str) -> int | None:
        """The value as a whole number; None where the fault is missing or bare."""
        return int(self.number(name)) if self.value(name) else None

    def tool_asks(self) -> list[ToolAsk]:
        """The `tool` faults as calls, in order."""
        return [_tool_ask(fault.value) for fault in self.items if fault.name == "tool"]


def markers(text: str) -> Iterator[str]:
    """Each `[[sim:…]]` in `text`, without its brackets; the JSON of a tool may hold brackets."""
    position = 0
    while opening := _OPENING.search(text, position):
        start = opening.end()
        if opening[1] == "tool" and (tool := _TOOL.match(text, start)):
            start = _end_of_json(text, tool.end())
        end = text.find("]]", start)
        if end < 0:
            return
        yield text[opening.start() + len("[[sim:") : end]
        position = end


def phrases(text: str) -> list[ToolAsk]:
    """Each `use the tool NAME with {json}` in `text`; one with broken JSON is passed over."""
    asks = []
    for phrase in _PHRASE.finditer(text):
        arguments = _json_object(text, phrase.end())
        if arguments is not None:
            asks.append(ToolAsk(phrase[1], arguments))
    return asks


def _tool_ask(value: str) -> ToolAsk:
    tool = _TOOL.match(value)
    if tool:
        return ToolAsk(tool[1], _json_object(value, tool.end()))
    return ToolAsk(value.strip() or None, None)


def _json_object(text: str, start: int) -> dict[str, object] | None:
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _end_of_json(text: str, start: int) -> int:
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return start
