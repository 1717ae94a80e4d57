"""Diagnostics: what reaches the file, what is kept out of it, and files that cannot be written."""

from __future__ import annotations

import io
import json
import logging
import stat
import threading
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from loop_guard import no_blocking
from patience import PATIENCE_S

from offramp_core.settings import Secret
from offramp_daemon.recording import diagnostics
from offramp_daemon.recording.diagnostics import Diagnostics, configure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offramp_core.settings import LogFormat, LogLevel

ZAI_KEY = "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp"
CLIENT_KEY = "sk-ant-oat01-" + "Zq7" * 25

log = logging.getLogger("offramp_daemon.proxy.handler")


@contextmanager
def configured(
    file: Path,
    *,
    level: LogLevel = "debug",
    log_format: LogFormat = "text",
    fallback: io.StringIO | None = None,
) -> Iterator[Diagnostics]:
    handle = configure(file, level=level, log_format=log_format, fallback=fallback or io.StringIO())
    try:
        yield handle
    finally:
        handle.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "diagnostics" / "daemon.log"


def content(file: Path) -> str:
    return file.read_text()


def text_of(file: Path, message: str, **extra: Any) -> str:
    """What the file holds after one warning."""
    with configured(file):
        log.warning(message, extra=extra)
    return file.read_text()


def test_message_is_one_readable_line_with_its_values(file: Path) -> None:
    with configured(file):
        log.info(
            "Answer %s", "metered", extra={"backend": "zai", "why": "a b", "tokens": 3, "id": None}
        )
    (line,) = file.read_text().splitlines()
    assert line.split(" ", 1)[1] == (
        'INFO offramp_daemon.proxy.handler: Answer metered backend=zai why="a b" tokens=3 id=None'
    )
    assert line[:2] == "20"
    assert line.split()[0].endswith("Z")


def test_json_is_one_object_a_line(file: Path) -> None:
    with configured(file, log_format="json"):
        log.warning("Slow\nanswer", extra={"backend": "zai", "tokens": 3, "level": "mine"})
    (line,) = file.read_text().splitlines()
    fields = json.loads(line)
    assert fields.pop("time").endswith("Z")
    assert fields == {
        "level": "warning",
        "logger": "offramp_daemon.proxy.handler",
        "message": "Slow\nanswer",
        "backend": "zai",
        "tokens": 3,
        "level_": "mine",
    }


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warn", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_level_decides_what_is_written(file: Path, level: LogLevel, expected: list[str]) -> None:
    with configured(file, level=level, log_format="json"):
        for write in (log.debug, log.info, log.warning, log.error):
            write("Something")
    levels = [json.loads(line)["level"] for line in file.read_text().splitlines()]
    assert levels == expected


def test_other_libraries_are_heard_from_warning_up_alone(file: Path) -> None:
    with configured(file, level="debug"):
        logging.getLogger("aiohttp.access").info("GET /v1/messages")
        logging.getLogger("aiohttp.server").error("Error handling request")
        logging.getLogger("asyncio").debug("Using selector")
    assert [line.split(" ", 1)[1] for line in file.read_text().splitlines()] == [
        "ERROR aiohttp.server: Error handling request"
    ]


def test_python_warnings_are_captured(file: Path) -> None:
    with configured(file), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old ways" in file.read_text()


def test_file_and_folder_are_the_owners_alone(file: Path) -> None:
    text_of(file, "Something")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "message",
    [
        f"key {CLIENT_KEY}",
        f"key={ZAI_KEY}",
        f"Authorization: Bearer {'t0ken' * 4}",
        "Invalid HTTP header: b'x-api-key: t0kent0ken'",
        "{'X-Api-Key': 't0kent0ken', 'accept': '*/*'}",
        "((b'authorization', b'Basic t0kent0ken'), (b'accept', b'*/*'))",
        '{\\"api_key\\": \\"t0kent0ken\\"}',
        "ZAI_API_KEY=t0kent0ken",
        "<CIMultiDict('Cookie': 'a=1; session=t0kent0ken')>",
        "http://user:t0kent0ken@proxy.example:3128/",
        "GET /v1/models?api_key=t0kent0ken&limit=1",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjMifQ.t0kent0ken",
        'password="t0ken t0ken"',
    ],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_looks_like_a_credential_is_masked(
    file: Path, message: str, log_format: LogFormat
) -> None:
    with configured(file, log_format=log_format):
        log.warning("Refused: %s", message, extra={"detail": message})
        try:
            raise ValueError(message)
        except ValueError:
            log.exception("Failed")
    text = file.read_text()
    assert "t0ken" not in text
    assert CLIENT_KEY[-20:] not in text
    assert ZAI_KEY[-16:] not in text
    assert text.count("***") >= 3


@pytest.mark.parametrize(
    "message",
    [
        "input_tokens=12 output_tokens=3",
        "the token is missing; set the key",
        "http://localhost:3001/v1/messages",
        "requests-2026-02.jsonl",
        "task-force 0f0f0f0f-0000-4000-8000-000000000000",
    ],
)
def test_ordinary_text_is_not_masked(file: Path, message: str) -> None:
    assert message in text_of(file, message)


def test_value_under_a_credential_s_name_is_masked_whatever_it_is(file: Path) -> None:
    text = text_of(file, "Odd", api_key="plain", client_token=12345678, cookie="a=b", model="m")
    assert text.rstrip().endswith("Odd api_key=*** client_token=*** cookie=*** model=m")


def test_secret_object_shows_its_mask_alone(file: Path) -> None:
    assert ZAI_KEY[-16:] not in text_of(file, "Odd", held=Secret(ZAI_KEY))


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("secret", ["hunter2", 'quo"te\\d', "sp ace/slash"])
def test_hidden_value_is_masked_wherever_it_stands(
    file: Path, log_format: LogFormat, secret: str
) -> None:
    with configured(file, log_format=log_format) as handle:
        handle.hide(secret)
        handle.hide(secret + "longer")
        log.warning("Got %s", f"{secret}longer", extra={"value": secret, "raw": {"k": secret}})
        log.warning(json.dumps({"v": secret}))
    text = file.read_text()
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
    assert "longer" not in text


def test_hidden_value_too_short_to_be_told_apart_changes_nothing(file: Path) -> None:
    with configured(file) as handle:
        handle.hide("")
        handle.hide("a")
        log.warning("Banana")
    assert "Banana" in file.read_text()


def test_traceback_is_written_without_the_values_of_variables(file: Path) -> None:
    def fail(prompt: str) -> None:
        raise RuntimeError(len(prompt))

    with configured(file):
        try:
            fail("the user's " + "words")
        except RuntimeError:
            log.exception("Request failed", extra={"path": "/v1/messages"})
    text = file.read_text()
    assert "RuntimeError: 16" in text
    assert "raise RuntimeError(len(prompt))" in text
    assert "the user's words" not in text


def test_message_cannot_pass_for_another_one_nor_command_a_terminal(file: Path) -> None:
    forged = "real\n2026-01-01T00:00:00.000Z INFO forged\x1b[2J\r\u202e"
    text = text_of(file, forged, detail=forged)
    lines = text.splitlines()
    assert [line[:4] for line in lines[1:]] == ["    "]
    assert not any(sign in text for sign in "\x1b\r\u202e")


def test_arguments_that_do_not_fit_are_said_and_do_no_harm(file: Path) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError

    with configured(file):
        log.warning("Two %s %s", "one")  # noqa: PLE1206 - the mistake is the point
        log.warning("Hostile", extra={"value": Hostile()})
        log.warning("Next")
    text = file.read_text()
    assert text.count("could not be formatted") == 2
    assert "offramp_daemon.proxy.handler: Next" in text


def test_huge_message_is_cut(file: Path) -> None:
    assert len(text_of(file, "x" * 1_000_000, detail="y" * 1_000_000)) < 40_000


def test_files_are_rotated_and_bounded_in_all(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "MAX_FILE_BYTES", 50_000)
    for round_ in range(60):
        with configured(file):
            for number in range(20):
                log.warning("Message", extra={"round": round_, "number": number, "fill": "x" * 200})
    names = sorted(each.name for each in file.parent.iterdir())
    assert names == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert all(each.stat().st_size <= 50_000 for each in file.parent.iterdir())
    kept = [
        line.split("round=")[1].split(" fill")[0]
        for name in reversed(names)
        for line in (file.parent / name).read_text().splitlines()
    ]
    every = [f"{round_} number={number}" for round_ in range(60) for number in range(20)]
    assert kept == every[-len(kept) :]


def test_default_retention_is_bounded() -> None:
    assert diagnostics.MAX_FILE_BYTES * diagnostics.MAX_FILES <= 15 * 1024 * 1024


def test_unwritable_folder_falls_back_with_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    fallback = io.StringIO()
    with configured(tmp_path / "file" / "daemon.log", fallback=fallback):
        log.warning("First", extra={"key": ZAI_KEY})
        log.warning("Second")
    lines = fallback.getvalue().splitlines()
    assert [line.rpartition(": ")[2].split(" key")[0] for line in lines[1:]] == ["First", "Second"]
    assert "cannot write" in lines[0]
    assert str(tmp_path / "file" / "daemon.log") in lines[0]
    assert ZAI_KEY not in fallback.getvalue()


def test_file_that_can_be_written_again_is_used_again(tmp_path: Path) -> None:
    obstacle = tmp_path / "folder"
    obstacle.write_text("in the way")
    fallback = Watched()
    with configured(obstacle / "daemon.log", fallback=fallback):
        log.warning("First")
        fallback.wait_for("First")
        obstacle.unlink()
        log.warning("Second")
    assert "Second" in (obstacle / "daemon.log").read_text()
    assert "Second" not in fallback.getvalue()


def test_nowhere_to_write_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    fallback = io.StringIO()
    fallback.close()
    began = time.monotonic()
    with configured(tmp_path / "file" / "daemon.log", fallback=fallback):
        log.warning("Lost")
    assert time.monotonic() - began < 15


def test_close_gives_the_loggers_back(file: Path) -> None:
    names = ("offramp_daemon", "offramp_core", "aiohttp", "asyncio", "py.warnings")
    loggers = [logging.getLogger(name) for name in names]
    before = [(each.level, each.propagate, list(each.handlers)) for each in loggers]
    with configured(file):
        assert not logging.getLogger("offramp_daemon").propagate
    assert [(each.level, each.propagate, list(each.handlers)) for each in loggers] == before


async def test_logging_on_the_event_loop_blocks_nothing(file: Path) -> None:
    with configured(file), no_blocking():
        for number in range(100):
            log.info("Message", extra={"number": number})
        try:
            raise RuntimeError
        except RuntimeError:
            log.exception("Failed")
    assert content(file).count("Message number=") == 100


class Watched(io.StringIO):
    """A stream that can be waited on."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def write(self, text: str) -> int:
        with self._changed:
            written = super().write(text)
            self._changed.notify_all()
        return written

    def wait_for(self, part: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: part in self.getvalue(), PATIENCE_S), part


def test_two_that_write_and_rotate_the_same_file_lose_nothing(file, monkeypatch):
    """As two daemons do while one takes over from the other."""
    monkeypatch.setattr(diagnostics, "MAX_FILE_BYTES", 20_000)
    monkeypatch.setattr(diagnostics, "MAX_FILES", 20)
    fallbacks = [io.StringIO(), io.StringIO()]
    writers = [
        Diagnostics(file, level="info", log_format="text", fallback=fallback)
        for fallback in fallbacks
    ]
    file.parent.mkdir()

    def write(writer: Diagnostics, name: str) -> None:
        for number in range(300):
            writer.append([f"{name} {number} {'x' * 200}"])

    threads = [
        threading.Thread(target=write, args=(writer, name))
        for writer, name in zip(writers, "ab", strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for each in file.parent.iterdir() for line in each.read_text().splitlines()]
    assert len(lines) == 600
    assert len({tuple(line.split()[:2]) for line in lines}) == 600
    assert [each.getvalue() for each in fallbacks] == ["", ""]
