"""What the daemon shows of each request on standard error: one line, for a person to glance at.

A prompt's start and the masked key are for a terminal only; a daemon whose standard error ends in
a file or a journal writes the line without them, and so does the JSON form always. Nothing that a
client sent can move the cursor or colour the terminal.
"""

from __future__ import annotations

import functools
import json
import re
import time
import unicodedata
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from offramp_core import settings
from offramp_core.redaction import Redactor, mask_credentials
from offramp_core.usage.records import Status, format_timestamp
from offramp_core.wording.formatting import format_tokens
from offramp_daemon.recording.stream_writer import TextOutput, is_terminal
from offramp_daemon.storage.background_writer import BackgroundWriter, WriteQueue

if TYPE_CHECKING:
    from typing import TextIO

    from offramp_core.settings import LogFormat

_CAPACITY = 1000
_CLOSE_TIMEOUT_S = 1.0
_PROMPT_CHARACTERS = 40
_LABEL_CHARACTERS = 60
_REASON_CHARACTERS = 200
_LOOKED_AT_CHARACTERS = 400
"""What is kept of a prompt at all: its start, with room for escapes that are taken out."""

_TERMINAL_ESCAPE = re.compile(
    r"(?:\x1b[PX^_\]]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # control sequences
    r"|\x1b[ -/]*[0-~]?"  # the short ones
)
_OBEYED = frozenset({"Cc", "Cf"})


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One finished request as the console shows it."""

    tier: str
    """`sonnet`, `haiku`, `opus`, or the model's name where it is none of them."""
    backend: str
    input_tokens: int
    output_tokens: int
    elapsed_ms: int
    status: Status
    http_status: int | None
    reason: str | None
    """Why the request went where no route would have sent it; None where a route did."""
    prompt: str | None
    """The start of what the user asked, as it came."""
    masked_key: str | None
    """The client's own key, masked; only shown for Anthropic."""


_Item = tuple[float, RequestLine | str]
"""What is to be shown, and since when (seconds since the epoch)."""


def format_line(line: RequestLine, *, is_private: bool) -> str:
    """The line as text, without a newline.

    `is_private` says that only the user can see it: the latency, the prompt's start and the masked
    key may be in it.
    """
    is_delegated = line.backend != settings.ANTHROPIC
    parts = [
        f"[{_label(line.tier)}|{_label(line.backend)}]",
        f"{format_tokens(line.input_tokens)}→{format_tokens(line.output_tokens)}",
    ]
    if is_private:
        parts.append(f"{line.elapsed_ms}ms")
    if line.status != "success":
        parts.append(_outcome(line))
    if line.reason:
        parts.append(f"({_visible(line.reason[:_REASON_CHARACTERS])})")
    if is_private and line.masked_key and not is_delegated:
        parts.append(mask_credentials(_label(line.masked_key)))
    if is_private and line.prompt and (start := _start_of(line.prompt)):
        parts.append(f'"{start}"')
    return " ".join(parts)


class Console:
    """Writes request lines and messages to a stream, from a thread of its own.

    A reader that is stopped or gone costs lines, never time: they are counted, and the number is
    shown when somebody reads again.
    """

    def __init__(
        self, stream: TextIO, *, log_format: LogFormat, redactor: Redactor | None = None
    ) -> None:
        """Write to `stream`, as text or as one JSON object a line; not what `redactor` knows."""
        self._stream = stream
        self._redactor = redactor or Redactor()
        self._is_json = log_format == "json"
        self._is_private = is_terminal(stream) and not self._is_json
        self._output: TextOutput | None = None
        self._failed = 0
        self._missing_said = 0
        self._writer = BackgroundWriter("offramp-console")
        self._queue: WriteQueue[_Item] = WriteQueue(self._write, self._writer, capacity=_CAPACITY)

    @property
    def is_private(self) -> bool:
        """Whether prompts and masked keys may be shown: only to a person at a terminal."""
        return self._is_private

    @property
    def missing(self) -> int:
        """Lines that could not be shown."""
        return self._queue.lost + self._failed

    def start(self) -> None:
        """Start the thread that writes."""
        self._output = TextOutput(self._stream, self._writer.given_up)
        self._writer.start()

    def request(self, line: RequestLine) -> None:
        """Show `line`; from the event loop, never blocks, never raises."""
        if line.prompt is not None and len(line.prompt) > _LOOKED_AT_CHARACTERS:
            line = msgspec.structs.replace(line, prompt=line.prompt[:_LOOKED_AT_CHARACTERS])
        self._queue.put((time.time(), line))

    def say(self, message: str) -> None:
        """Show a message of the daemon's own; from any thread, never blocks, never raises."""
        self._queue.put((time.time(), message))

    def close(self) -> None:
        """Show what waits and stop; within a second, whether or not somebody reads."""
        if self._writer.close(_CLOSE_TIMEOUT_S) and self._output is not None:
            self._output.close()

    def _write(self, batch: list[_Item]) -> list[_Item]:
        """Write `batch`; what fails is dropped, for a console line is worth nothing later."""
        missing = self.missing
        texts = self._texts_of(batch)
        if missing > self._missing_said:
            count = missing - self._missing_said
            texts.insert(0, self._format(time.time(), f"({count} lines could not be shown)"))
        if self._is_written("".join(f"{text}\n" for text in texts)):
            self._missing_said = missing
        else:
            self._failed += len(batch)
        return []

    def _is_written(self, text: str) -> bool:
        try:
            return self._output is not None and self._output.write(text)
        except (OSError, ValueError):  # the terminal was closed, the pipe's reader has gone
            return False

    def _texts_of(self, batch: list[_Item]) -> list[str]:
        """The lines for `batch`, looked through together: hardly ever is there a value to hide."""
        texts = [self._text_of(moment, item) for moment, item in batch]
        if self._redactor.holds("\n".join(texts)):
            texts = [self._redactor.hide_values(text) for text in texts]
        return texts

    def _format(self, moment: float, item: RequestLine | str) -> str:
        return self._redactor.hide_values(self._text_of(moment, item))

    def _text_of(self, moment: float, item: RequestLine | str) -> str:
        if self._is_json:
            return _to_json(moment, item)
        if isinstance(item, str):
            return "\n".join(_indented(each) for each in item.splitlines())
        return format_line(item, is_private=self._is_private)


def _to_json(moment: float, item: RequestLine | str) -> str:
    fields: dict[str, object] = {"time": format_timestamp(datetime.fromtimestamp(moment, UTC))}
    if isinstance(item, str):
        fields["message"] = item
    else:
        fields |= {
            "tier": item.tier,
            "backend": item.backend,
            "input_tokens": item.input_tokens,
            "output_tokens": item.output_tokens,
            "status": item.status,
            "http_status": item.http_status,
            "reason": item.reason,
        }
    return json.dumps(fields)


def _outcome(line: RequestLine) -> str:
    """`error 529`, `cancelled`: a number only where it says something.

    An error inside a stream, say, came with the status 200.
    """
    is_telling = line.status == "error" and (line.http_status or 0) >= HTTPStatus.BAD_REQUEST
    return f"{line.status} {line.http_status}" if is_telling else line.status


def _start_of(prompt: str) -> str:
    """The prompt's start on one line, harmless to a terminal, `…` where it goes on."""
    text = _visible(prompt[:_LOOKED_AT_CHARACTERS])
    # More than is shown, for half a key has no shape to know it by.
    text = mask_credentials(text[: 4 * _PROMPT_CHARACTERS])
    if len(text) <= _PROMPT_CHARACTERS:
        return text
    return text[:_PROMPT_CHARACTERS].rstrip() + "…"


def _indented(line: str) -> str:
    """A line of the daemon's own, harmless to a terminal, its indent kept."""
    return " " * (len(line) - len(line.lstrip(" "))) + _visible(line)


@functools.lru_cache(maxsize=64)
def _label(text: str) -> str:
    return _visible(text[:_LABEL_CHARACTERS])


def _visible(text: str) -> str:
    """`text` as one line without anything that a terminal would obey.

    Taken out: escape sequences, the control characters of both sets, and those that reorder or
    hide text. Any white space becomes one blank, half a surrogate pair the replacement character.
    """
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return "".join(
        "\ufffd" if category == "Cs" else character
        for character in _TERMINAL_ESCAPE.sub("", text)
        if (category := unicodedata.category(character)) not in _OBEYED
    )
