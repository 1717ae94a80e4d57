"""The daemon put together: how it ends with answers still on their way."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from patience import PATIENCE_S
from proxy_harness import settings_for
from raw_client import OPUS, connected, get, post
from raw_upstream import MESSAGE as SMALL
from raw_upstream import Connection, json_answer, raw_upstream
from running_app import running_app

from offramp_core.config.loader import LoadedSettings
from offramp_core.paths import Paths
from offramp_core.settings import Settings
from offramp_core.usage import state_events
from offramp_core.usage.records import RequestRecord
from offramp_daemon import app
from offramp_daemon.config.live_settings import LiveSettings
from offramp_daemon.proxy.entry import RequestEntry
from offramp_daemon.recording.console import Console

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from typing import TextIO

A_RECORD = RequestRecord(
    ts="2026-02-07T10:30:00.000Z", model="claude-sonnet-4-5", backend="zai", status="success"
)
WHOLE = json.dumps({"text": "x" * (12 * 1024 * 1024)}).encode()


async def answer_small(connection: Connection) -> None:
    await connection.write(json_answer(SMALL))


async def answer_whole(connection: Connection) -> None:
    await connection.write(json_answer(WHOLE))


async def test_slow_reader_gets_its_whole_answer_before_the_daemon_ends(tmp_path):
    async with (
        raw_upstream(answer_whole) as upstream,
        running_app(tmp_path, settings_for(upstream.url, upstream.url)) as running,
        connected(running.url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        await reader.readuntil(b"\r\n\r\n")
        running.shutdown.ask()
        done, _ = await asyncio.wait([running.task], timeout=0.2)
        assert not done
        assert await reader.read(-1) == WHOLE
        async with asyncio.timeout(PATIENCE_S):
            await running.task


async def test_reader_that_never_reads_does_not_hold_up_a_hurried_end(tmp_path):
    async with (
        raw_upstream(answer_whole) as upstream,
        running_app(tmp_path, settings_for(upstream.url, upstream.url)) as running,
        connected(running.url, receive_buffer_bytes=16384) as (reader, writer),
    ):
        writer.write(post(b"/v1/messages", OPUS))
        await reader.readuntil(b"\r\n\r\n")
        running.shutdown.ask()
        done, _ = await asyncio.wait([running.task], timeout=0.1)
        assert not done
        running.shutdown.ask()
        async with asyncio.timeout(PATIENCE_S):
            await running.task


@dataclass
class Unreadable:
    """Live settings that could not be read at the start."""

    current: Settings
    is_fallback: bool = True


@pytest.mark.parametrize(
    ("remote", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.7", 403), ("", 403)],
)
async def test_without_readable_settings_only_this_machine_is_served(remote, status):
    """A token that the file may hold would have to be sent by all others."""
    entry = RequestEntry(
        None,
        live=Unreadable(Settings()),
        report_health=lambda _request: web.Response(),
        show_page=None,
        catch_up=None,
        watchers=(),
        leaving=asyncio.Event(),
    )
    transport = Mock(get_extra_info=lambda _name, default=None: (remote, 1) if remote else default)
    request = make_mocked_request("GET", "/health", transport=transport)
    answer = await entry.handle(request)
    assert answer.status == status
    if status == 403:
        assert json.loads(answer.body)["type"] == "error"
        assert "offramp config check" in answer.text


async def test_daemon_that_leaves_serves_on_and_ends_by_itself(tmp_path):
    async with (
        raw_upstream(answer_small) as upstream,
        running_app(tmp_path, settings_for(upstream.url, upstream.url)) as running,
    ):
        async with connected(running.url) as (reader, writer):
            writer.write(post(b"/v1/messages", OPUS, b""))
            await reader.readuntil(SMALL)
            running.shutdown.leave()
            writer.write(post(b"/v1/messages", OPUS, b""))
            last = await reader.read()
            assert last.endswith(SMALL)
            assert b"connection: close" in last.lower()
        async with asyncio.timeout(PATIENCE_S):
            await running.task


async def test_health_of_a_daemon_that_leaves_ends_the_connection_too(tmp_path):
    async with (
        raw_upstream(answer_small) as upstream,
        running_app(tmp_path, settings_for(upstream.url, upstream.url)) as running,
        connected(running.url) as (reader, writer),
    ):
        request = get(b"/health").replace(b"Connection: close\r\n", b"")
        writer.write(request)
        await reader.readuntil(b"}}")
        running.shutdown.leave()
        writer.write(request)
        last = await reader.read()
        assert b"200 OK" in last
        assert b"connection: close" in last.lower()


@contextlib.asynccontextmanager
async def composed(home: Path, stream: TextIO) -> AsyncIterator[app.Parts]:
    """A daemon without connections, whose console writes to `stream`."""
    console = Console(stream, log_format="text")
    console.start()
    loaded = LoadedSettings(settings=Settings(), origins={}, notes=())
    live = LiveSettings(lambda _held: loaded, lambda: None, console.say)
    parts = app.compose(live, Paths.under(home), console, address="http://localhost:1")
    parts.recorder.start()
    await parts.start()
    try:
        yield parts
    finally:
        await asyncio.to_thread(parts.recorder.close, 0.2)
        await asyncio.to_thread(parts.close)
        await asyncio.to_thread(console.close)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - the writing threads tell nobody
            await asyncio.sleep(0.001)


async def test_terminal_that_is_stopped_holds_up_no_file(tmp_path):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        async with composed(tmp_path, stream) as parts:
            for _ in range(100):
                parts.console.say("x" * 4096)
            parts.recorder.record(A_RECORD)
            await until(lambda: parts.recorder.state.written == 1)
            events = Paths.under(tmp_path).log_dir / state_events.FILE_NAME
            await until(events.exists)
    os.close(reading)


async def test_disk_that_can_not_be_written_holds_up_no_terminal(tmp_path):
    paths, shown = Paths.under(tmp_path), io.StringIO()
    paths.log_dir.parent.mkdir(parents=True)
    paths.log_dir.write_text("a file where the folder should be")
    async with composed(tmp_path, shown) as parts:
        parts.recorder.record(A_RECORD)
        await until(lambda: parts.recorder.state.last_error is not None)
        parts.console.say("still here")
        await until(lambda: "still here" in shown.getvalue())
    assert parts.recorder.state.lost == 1
