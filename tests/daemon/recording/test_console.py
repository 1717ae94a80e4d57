"""The console: what its line says, what it keeps back, and readers that do not read."""

from __future__ import annotations

import io
import json
import os
import pty
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loop_guard import no_blocking
from patience import PATIENCE_S

from offramp_core.redaction import Redactor
from offramp_daemon.recording.console import Console, RequestLine, format_line

if TYPE_CHECKING:
    from collections.abc import Iterator

MASKED_KEY = "sk-an...wigAA"


def a_line(**fields: Any) -> RequestLine:
    usual: dict[str, Any] = {
        "tier": "sonnet",
        "backend": "zai",
        "input_tokens": 1250,
        "output_tokens": 890,
        "elapsed_ms": 3421,
        "status": "success",
        "http_status": 200,
        "reason": None,
        "prompt": "Write hello world in Python",
        "masked_key": None,
    }
    return RequestLine(**(usual | fields))


def shown(prompt: str) -> str:
    """What a terminal gets of `prompt`, its quotes included."""
    return format_line(a_line(prompt=prompt), is_private=True).split("3421ms", 1)[1].strip()


class Pipe:
    """A stream whose other end the test reads, or does not."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.reader, writer = os.pipe()
        self.stream: TextIO = os.fdopen(writer, "w", encoding=encoding)

    def read_to_end(self) -> str:
        self.stream.close()
        with os.fdopen(self.reader, "rb") as reader:
            return reader.read().decode()


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, int]]:
    """A terminal, and the descriptor on which its screen is read."""
    screen, inside = pty.openpty()
    with os.fdopen(inside, "w", encoding="utf-8") as stream:
        yield stream, screen
    os.close(screen)


def read_line(descriptor: int) -> str:
    text = b""
    while not text.endswith(b"\n"):
        text += os.read(descriptor, 4096)
    return text.decode()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, '[sonnet|zai] 1.3k→890 3421ms "Write hello world in Python"'),
        (
            {"tier": "opus", "backend": "anthropic", "masked_key": MASKED_KEY},
            f'[opus|anthropic] 1.3k→890 3421ms {MASKED_KEY} "Write hello world in Python"',
        ),
        (
            {"backend": "anthropic", "reason": "images", "prompt": None},
            "[sonnet|anthropic] 1.3k→890 3421ms (images)",
        ),
        (
            {"status": "error", "http_status": 529, "output_tokens": 0, "prompt": None},
            "[sonnet|zai] 1.3k→0 3421ms error 529",
        ),
        (
            {"status": "error", "http_status": 200, "prompt": None},
            "[sonnet|zai] 1.3k→890 3421ms error",
        ),
        (
            {"status": "error", "http_status": None, "prompt": None},
            "[sonnet|zai] 1.3k→890 3421ms error",
        ),
        (
            {"status": "cancelled", "reason": "delegation is paused"},
            "[sonnet|zai] 1.3k→890 3421ms cancelled (delegation is paused)"
            ' "Write hello world in Python"',
        ),
    ],
)
def test_line_on_a_terminal_reads_as_specified(fields: dict[str, Any], expected: str) -> None:
    assert format_line(a_line(**fields), is_private=True) == expected


def test_client_key_is_never_shown_for_a_delegated_request() -> None:
    line = a_line(masked_key=MASKED_KEY)
    assert MASKED_KEY not in format_line(line, is_private=True)


def test_key_that_was_not_masked_is_not_shown() -> None:
    key = "sk-ant-oat01-" + "a" * 60
    line = format_line(a_line(backend="anthropic", masked_key=key), is_private=True)
    assert "aaaa" not in line


def test_line_that_others_may_see_has_no_prompt_key_or_latency() -> None:
    line = a_line(backend="anthropic", masked_key=MASKED_KEY)
    assert format_line(line, is_private=False) == "[sonnet|anthropic] 1.3k→890"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("x" * 40, f'"{"x" * 40}"'),
        ("x" * 41, f'"{"x" * 40}…"'),
        ("first\n\tsecond\u2028third", '"first second third"'),
        ("a\x1b[31mred\x1b[0m b", '"ared b"'),
        ("a\x9b2Jb", '"ab"'),
        ("a\x1b]0;title\x07b", '"ab"'),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", '"alinkb"'),
        ("a\x1bPq#0\x1b\\b", '"ab"'),
        ("bell\x07 back\x08 del\x7f nul\x00", '"bell back del nul"'),
        ("user\u202etxt.exe\u2066", '"usertxt.exe"'),
        ("zero\u200bwidth", '"zerowidth"'),
        ("half \ud83d pair", '"half \ufffd pair"'),
        ("grüße 🎉", '"grüße 🎉"'),
        ("\x1b[2J\n", ""),
        ("use sk-ant-api03-abcdefghijklmnop please", '"use *** please"'),
    ],
)
def test_prompt_is_shown_without_what_a_terminal_obeys(prompt: str, expected: str) -> None:
    assert shown(prompt) == expected


LONGEST_LINE = len(f'[{"x" * 60}|zai] 1.3k→890 3421ms ({"x" * 200}) "{"x" * 40}…"')


def test_longest_parts_make_the_longest_line() -> None:
    longest = a_line(prompt="x" * 999, tier="x" * 999, reason="x" * 999)
    assert len(format_line(longest, is_private=True)) == LONGEST_LINE


@given(st.text(st.characters()), st.text(st.characters()))
def test_whatever_the_client_sends_stays_one_printable_line(prompt: str, model: str) -> None:
    line = format_line(a_line(prompt=prompt, tier=model, reason=model), is_private=True)
    assert len(line) <= LONGEST_LINE
    assert not any(sign in line for sign in "\x1b\r\n\x9b\u202e\u2067")
    line.encode()


def test_terminal_gets_prompt_and_key(terminal: tuple[TextIO, int]) -> None:
    stream, screen = terminal
    console = Console(stream, log_format="text")
    console.start()
    console.request(a_line(backend="anthropic", masked_key=MASKED_KEY))
    line = read_line(screen)
    console.close()
    assert MASKED_KEY in line
    assert "Write hello world" in line


def test_pipe_gets_the_line_without_prompt_and_key() -> None:
    pipe = Pipe()
    console = Console(pipe.stream, log_format="text")
    console.start()
    console.request(a_line(backend="anthropic", masked_key=MASKED_KEY))
    console.say("Delegation is paused.\nEverything goes to Anthropic.")
    console.close()
    assert pipe.read_to_end() == (
        "[sonnet|anthropic] 1.3k→890\nDelegation is paused.\nEverything goes to Anthropic.\n"
    )


def test_json_has_one_object_a_line_and_no_prompt_even_on_a_terminal(
    terminal: tuple[TextIO, int],
) -> None:
    stream, screen = terminal
    console = Console(stream, log_format="json")
    console.start()
    console.request(a_line(backend="anthropic", masked_key=MASKED_KEY, reason="images"))
    line = json.loads(read_line(screen))
    console.say("Listening")
    message = json.loads(read_line(screen))
    console.close()
    assert line.pop("time").endswith("Z")
    assert line == {
        "tier": "sonnet",
        "backend": "anthropic",
        "input_tokens": 1250,
        "output_tokens": 890,
        "status": "success",
        "http_status": 200,
        "reason": "images",
    }
    assert message["message"] == "Listening"


def test_stream_in_memory_is_written_to() -> None:
    stream = io.StringIO()
    console = Console(stream, log_format="text")
    console.start()
    console.request(a_line())
    console.close()
    assert stream.getvalue() == "[sonnet|zai] 1.3k→890\n"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("ascii", "[sonnet|zai] 1.3k->890"), ("latin-1", "[sonnet|zai] 1.3k->890")],
)
def test_encoding_without_the_arrow_gets_a_plainer_one(encoding: str, expected: str) -> None:
    pipe = Pipe(encoding)
    console = Console(pipe.stream, log_format="text")
    console.start()
    console.request(a_line())
    console.close()
    assert pipe.read_to_end().startswith(expected)


def test_reader_that_stops_costs_lines_but_no_time() -> None:
    pipe = Pipe()
    console = Console(pipe.stream, log_format="text")
    console.start()
    began = time.monotonic()
    for _ in range(10_000):
        console.request(a_line())
    assert time.monotonic() - began < 15
    began = time.monotonic()
    console.close()
    assert time.monotonic() - began < 15
    assert console.missing > 5000
    pipe.read_to_end()


def test_reader_that_goes_on_is_told_how_many_lines_are_missing() -> None:
    pipe = Pipe()
    console = Console(pipe.stream, log_format="text")
    console.start()
    for _ in range(10_000):
        console.request(a_line())
    assert console.missing > 0
    lines: list[str] = []
    with os.fdopen(pipe.reader, encoding="utf-8") as reader:
        drain = threading.Thread(target=lambda: lines.extend(reader))
        drain.start()
        console.close()
        pipe.stream.close()
        drain.join(PATIENCE_S)
    notices = [line for line in lines if "could not be shown" in line]
    said = sum(int(line.removeprefix("(").split()[0]) for line in notices)
    assert said == console.missing
    assert len(lines) - len(notices) + said == 10_000


def test_reader_that_is_gone_is_no_failure() -> None:
    pipe = Pipe()
    os.close(pipe.reader)
    console = Console(pipe.stream, log_format="text")
    console.start()
    console.request(a_line())
    console.request(a_line())
    console.close()
    assert console.missing == 2
    pipe.stream.close()


def test_stopped_terminal_does_not_hold_up_the_end(terminal: tuple[TextIO, int]) -> None:
    stream, _ = terminal
    console = Console(stream, log_format="text")
    console.start()
    for _ in range(2000):
        console.request(a_line())
    began = time.monotonic()
    console.close()
    assert time.monotonic() - began < 15
    assert console.missing > 0


def test_closed_stream_is_no_failure() -> None:
    stream = io.StringIO()
    stream.close()
    console = Console(stream, log_format="text")
    console.start()
    console.request(a_line())
    console.close()
    assert console.missing == 1


async def test_showing_on_the_event_loop_blocks_nothing() -> None:
    stream = io.StringIO()
    console = Console(stream, log_format="text")
    console.start()
    with no_blocking():
        for _ in range(100):
            console.request(a_line(prompt="x" * 5000))
        console.say("done")
    console.close()
    assert stream.getvalue().count("\n") == 101


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_credential_in_one_of_many_lines_is_masked_and_the_others_stay(log_format):
    key, pipe = "opaque-corporate-key-Uv83nMq2", Pipe()
    console = Console(pipe.stream, log_format=log_format, redactor=Redactor([key]))
    for number in range(5):  # before the thread runs, so that they are one batch
        console.say(f"line {number} " + (key.replace("-", "%2D") if number == 3 else "is harmless"))
    console.start()
    console.close()
    lines = pipe.read_to_end().splitlines()
    assert len(lines) == 5
    assert ["harmless" in line for line in lines] == [True, True, True, False, True]
    assert "***" in lines[3]
    assert "Uv83nMq2" not in lines[3]
