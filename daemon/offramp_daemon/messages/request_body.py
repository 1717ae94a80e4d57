"""Reads a Messages request without taking it apart: a few fields looked at, all bytes kept.

`read` decodes only what routing and the treatment of thinking need to know. The body itself stays
as it came; `json_splice` cuts it where something has to change. Nothing here knows a backend, a
route or a socket.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from offramp_daemon.messages.lone_surrogates import NO_SHIELD, Shield, shield

_UNSET = msgspec.Raw()
_BLANK_TEXT = re.compile(
    rb'"(?:[ \n\r\t]|\\[nrtf]|\\u00(?:0[9a-dA-D]|1[c-fC-F]|20|85|[aA]0)'
    rb"|\\u(?:1680|200[0-9aA]|202[89fF]|205[fF]|3000)"
    rb"|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
    rb')*"|(?!").*',
    re.DOTALL,
)
"""The JSON of a text of nothing but white space, as Python sees it, or of what is not text."""
_MODEL_CHARACTERS = 1000
_BILLING_MARK = "x-anthropic-billing-header:"


class ToolInput(msgspec.Struct, gc=False):
    """The input of a tool's call, which has to be an object; what it holds is skipped unread."""


class Source(msgspec.Struct, gc=False):
    """Where an image or a document comes from; its data is skipped unread."""

    type: Any = None
    content: Any = None


class ContentBlock(msgspec.Struct, gc=False):
    """What is looked at in a content block; text, images and inputs are skipped unread."""

    type: Any = None
    id: Any = None
    name: Any = None
    input: ToolInput | list[msgspec.Raw] | str | int | float | bool | None = None
    tool_use_id: Any = None
    signature: Any = None
    data: Any = None
    text: msgspec.Raw = _UNSET
    source: Source | list[msgspec.Raw] | str | int | float | bool | None = None
    content: str | list[ContentBlock] | ContentBlock | None = None


class Message(msgspec.Struct, gc=False):
    """One item of `messages`."""

    role: Any = None
    content: str | list[ContentBlock] | None = None
    output_config: msgspec.Raw = _UNSET

    @property
    def blocks(self) -> list[ContentBlock]:
        """The content blocks; none where the content is plain text."""
        return self.content if isinstance(self.content, list) else []


class Tool(msgspec.Struct, gc=False):
    """One item of `tools`."""

    type: Any = None


class ThinkingField(msgspec.Struct, gc=False):
    """The `thinking` field."""

    type: Any = None


class ThreadField(msgspec.Struct, gc=False):
    """The `thread` field: the conversation's earlier messages are kept by the service."""

    type: Any = None
    previous_message_id: Any = None


class View(msgspec.Struct, gc=False):
    """The fields of a request that decide where it goes and what must be cut from it."""

    model: Any = None
    stream: Any = None
    max_tokens: Any = None
    messages: list[Message] | None = None
    system: str | list[ContentBlock] | None = None
    tools: list[Tool] | None = None
    thinking: ThinkingField | None = None
    metadata: Any = None
    stop_sequences: Any = None
    safeguards: msgspec.Raw = _UNSET
    thread: msgspec.Raw = _UNSET
    mcp_servers: Any = None


class _ModelOnly(msgspec.Struct, gc=False):
    model: Any = None
    metadata: Any = None


class MalformedBodyError(Exception):
    """The body is not JSON at all; says where."""


@dataclass(slots=True)
class RequestBody:
    """A body as it came, and what `read` saw in it.

    `view` is None where the body is valid but no object, or beyond what can be read here (depth,
    endless integers): such a body is passed on as it is. `is_odd` says that the object has shapes
    that no Messages request has, so that only its model was read.
    """

    raw: bytes
    view: View | None
    source: bytes = b""
    """What `view` was decoded from: `raw`, or `raw` with lone surrogates shielded."""
    surrogates: Shield = NO_SHIELD
    is_odd: bool = False
    model: str | None = field(init=False, default=None)
    """The model asked for; None if there is none, or if it is not text or too long for a name."""
    messages: list[Message] = field(init=False, default_factory=list)
    """The messages, oldest first."""

    _system_texts: list[str] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        """Take out of `view` what is asked for time and again."""
        if self.view is not None:
            model = self.view.model
            is_name = isinstance(model, str) and 0 < len(model) <= _MODEL_CHARACTERS
            self.model = model if is_name else None
            self.messages = self.view.messages or []

    @property
    def continued_thread(self) -> ThreadField | None:
        """The thread that this request adds messages to; None where it holds all of them."""
        if self.view is None or not self.view.thread:
            return None
        try:
            thread = _THREAD.decode(self.view.thread)
        except (ValueError, RecursionError):  # no thread that any service would know
            return None
        has_state = isinstance(thread.previous_message_id, str) and thread.type != "create"
        return thread if thread.type == "continue" or has_state else None

    def system_texts(self) -> list[str]:
        """The texts of the system prompt, block by block."""
        if self._system_texts is None:
            system = self.view.system if self.view else None
            if isinstance(system, str):
                self._system_texts = [system]
            else:
                self._system_texts = [text_of(block) for block in system or []]
        return self._system_texts


class _ToolsOnly(msgspec.Struct, gc=False):
    tools: msgspec.Raw = _UNSET


_VIEW = msgspec.json.Decoder(View)
_TOOLS_ONLY = msgspec.json.Decoder(_ToolsOnly)
_MODEL_ONLY = msgspec.json.Decoder(_ModelOnly)
_TEXT = msgspec.json.Decoder(str)
_THREAD = msgspec.json.Decoder(ThreadField)
_PROMPT_SEARCH = 20
"""How many messages back a prompt is looked for; a tool loop puts others behind it."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REPAIRED_BYTES = 2 * 1024 * 1024
"""What is longer has to be usual JSON to be read."""
_LEAST_OBJECT_BYTES = len("{},")
_LEAST_VALUE_BYTES = len("0,")
_MOST_OBJECTS = 100_000
"""Of lists, too."""
_MOST_VALUES = 1_000_000
"""Commas in a text count, too; but a text of so many is too long for every model."""


def read(raw: bytes) -> RequestBody:
    """Look into `raw`, unless it holds so many values that they would fill the memory.

    Raises:
        MalformedBodyError: it is not JSON.
    """
    return read_usual(raw) or read_unusual(raw)


def read_usual(raw: bytes) -> RequestBody | None:
    """Do what `read` does; None for a body that takes `read_unusual`, and so longer."""
    if _has_too_many_values(raw):
        return RequestBody(raw, None)
    try:
        return RequestBody(raw, _VIEW.decode(raw), raw)
    except msgspec.ValidationError:
        return _read_odd(raw, raw, NO_SHIELD)
    except msgspec.DecodeError:
        return None
    except (RecursionError, ValueError):
        return RequestBody(raw, None)


def count_bytes(raw: bytes, byte: bytes) -> int:
    """How often `byte` is in `raw`, where it is rare.

    `bytes.replace` jumps from one to the next; `bytes.count` looks at every byte, which takes
    several times as long.
    """
    return len(raw) - len(raw.replace(byte, b""))


def count_openings(raw: bytes, opening: bytes) -> int:
    """How many objects (`{`) or lists (`[`) the JSON in `raw` can hold at most.

    A brace before a backslash stands in a text, as nearly all do there: before a quote, or at the
    end of a line.
    """
    return raw.count(opening) - raw.count(opening + b"\\")


def _has_too_many_values(raw: bytes) -> bool:
    """Whether `raw` would become more objects than a conversation can hold: 3 bytes become 100."""
    length = len(raw)
    if length < _LEAST_OBJECT_BYTES * _MOST_OBJECTS:  # as nearly always
        return False
    if _has_more_openings(raw, b"{") or _has_more_openings(raw, b"["):
        return True
    return length > _LEAST_VALUE_BYTES * _MOST_VALUES and count_bytes(raw, b",") > _MOST_VALUES


def _has_more_openings(raw: bytes, opening: bytes) -> bool:
    """Whether `raw` can hold more than `_MOST_OBJECTS`: it is counted exactly only in doubt."""
    if count_bytes(raw, opening) <= _MOST_OBJECTS:
        return False
    return count_openings(raw, opening) > _MOST_OBJECTS


def _read_odd(raw: bytes, source: bytes, surrogates: Shield) -> RequestBody:
    """Only the model, from a body whose other fields are not of a Messages request's types."""
    try:
        seen = _MODEL_ONLY.decode(source)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return RequestBody(raw, None)
    view = View(model=seen.model, metadata=seen.metadata)
    return RequestBody(raw, view, source, surrogates, is_odd=True)


def read_unusual(raw: bytes) -> RequestBody:
    """Read a body that msgspec refuses: lone surrogates, a byte order mark, UTF-16, or no JSON.

    Raises:
        MalformedBodyError: it is not JSON.
    """
    body = _read_shielded(raw, raw.removeprefix(_BYTE_ORDER_MARK))
    if body is not None:
        return body
    if len(raw) > _REPAIRED_BYTES:  # the standard library keeps all other threads waiting
        return RequestBody(raw, None)
    try:
        normalised = json.dumps(json.loads(raw), allow_nan=False).encode()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise MalformedBodyError(str(error)) from error
    except (RecursionError, ValueError):  # JSON that only the standard library takes
        return RequestBody(raw, None)
    return _read_shielded(raw, normalised) or RequestBody(raw, None)


def _read_shielded(raw: bytes, candidate: bytes) -> RequestBody | None:
    """`raw` as seen in `candidate`, lone surrogates aside; None if that can't be read."""
    try:
        source, surrogates = shield(candidate)
    except ValueError:
        return None
    try:
        return RequestBody(raw, _VIEW.decode(source), source, surrogates)
    except msgspec.ValidationError:
        return _read_odd(raw, source, surrogates)
    except (ValueError, RecursionError):
        return None


def tools_of(body: RequestBody) -> bytes:
    """The tools as they are written; empty where there are none, or they can't be read."""
    try:
        tools = bytes(_TOOLS_ONLY.decode(body.source).tools)
    except (ValueError, RecursionError):
        return b""
    return b"" if tools in {b"null", b"[]"} else tools


def text_of(block: ContentBlock) -> str:
    """The text of a text block; empty for any other."""
    try:
        return _TEXT.decode(block.text) if block.text else ""
    except ValueError:  # no text, or bad UTF-8
        return ""


def is_blank(text: str) -> bool:
    """Whether a text holds nothing but white space."""
    return not text or text.isspace()


def is_blank_text(block: ContentBlock) -> bool:
    """Whether a block is a text of nothing: other backends write them, Anthropic refuses them."""
    return block.type == "text" and _BLANK_TEXT.fullmatch(block.text) is not None


def is_blank_json(text: bytes | msgspec.Raw) -> bool:
    """Whether the JSON of a text holds nothing but white space, or is not text."""
    return _BLANK_TEXT.fullmatch(text) is not None


def has_billing_line(text: str) -> bool:
    """Whether a system text begins with Claude Code's billing header."""
    return text.startswith(_BILLING_MARK)


def without_billing_line(text: str) -> str:
    """A system text without Claude Code's billing header, which is a line of its own in front."""
    if not has_billing_line(text):
        return text
    return text.partition("\n")[2].lstrip()


def last_prompt(body: RequestBody, *, length: int = 200) -> str | None:
    """The start of the newest text that the user wrote; None where there is none.

    Texts in angle brackets (`<system-reminder>`, say) are the client's own and skipped.
    """
    for message in reversed(body.messages[-_PROMPT_SEARCH:]):
        if message.role != "user":
            continue
        if isinstance(message.content, str):
            texts = [message.content]
        else:
            texts = [text_of(block) for block in message.blocks if block.type == "text"]
        for text in reversed(texts):
            stripped = text.strip()
            if stripped and not stripped.startswith("<"):
                return stripped[:length]
    return None
