"""The control socket of a running daemon: status, commands, the stream of changes, its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shutil
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest
from control_harness import Commands, next_of
from daemon_process import read_records
from loop_guard import no_blocking
from patience import PATIENCE_S
from proxy_harness import settings_for
from raw_client import OPUS, SONNET, get, post, read_to_end
from raw_upstream import (
    END,
    MESSAGE,
    SSE_HEAD,
    START,
    Connection,
    answer_message,
    chunk,
    json_answer,
    raw_upstream,
)
from running_app import running_app

from offramp_core import __version__
from offramp_core.control import api
from offramp_core.control.client import ControlError, NotRunningError
from offramp_daemon.control import pause_keeper, server
from offramp_daemon.control.server import Pace

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from offramp_core.paths import Paths

HOUR = timedelta(hours=1)
ROUTES = ("status", "pause", "resume", "reload", "drain", "events")


class Stream:
    """An upstream's answer that waits in its middle for the test."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def answer(self, connection: Connection) -> None:
        if b"sonnet" not in connection.body:
            await connection.write(json_answer(MESSAGE))
            return
        await connection.write(SSE_HEAD + chunk(START))
        await self.go_on.wait()
        await connection.write(chunk(END) + b"0\r\n\r\n")


@contextlib.asynccontextmanager
async def running(home, anthropic, zai, **fields):
    """A daemon that takes commands: the app, and its commands."""
    async with running_app(home, settings_for(anthropic.url, zai.url, **fields)) as app:
        commands = Commands(app.paths)
        await commands.until_there()
        yield app, commands


@pytest.fixture
async def two():
    async with raw_upstream(answer_message) as anthropic, raw_upstream(answer_message) as zai:
        yield anthropic, zai


async def ask(url: str, body: bytes = SONNET, session: str | None = None) -> None:
    headers = b"Connection: close\r\n"
    if session:
        headers += b"x-claude-code-session-id: %s\r\n" % session.encode()
    assert b"200 OK" in await read_to_end(url, post(b"/v1/messages", body, headers))


async def test_status_tells_who_serves_where_and_how(tmp_path, two):
    async with running(tmp_path, *two) as (app, commands):
        await ask(app.url)
        status = await commands.until(lambda status: status.records.written == 1)
        assert (status.protocol, status.version) == (api.PROTOCOL, __version__)
        assert status.pid == os.getpid()
        assert status.address == app.url.replace("127.0.0.1", "localhost")
        assert status.pause is None
        assert [(each.name, each.key) for each in status.backends] == [
            ("anthropic", "not needed"),
            ("zai", "present"),
        ]
        assert (status.in_flight, status.records.lost, status.records.last_error) == (0, 0, None)
        assert status.settings_file == str(app.paths.config_file)
        assert abs(datetime.now(UTC) - status.started) < timedelta(seconds=60)
        assert not status.is_stopping
        assert app.paths.control_socket.stat().st_mode & 0o777 == 0o600
        assert app.paths.control_socket.parent.stat().st_mode & 0o777 == 0o700


async def test_status_says_that_an_unusable_all_proxy_is_skipped(tmp_path, two, monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", "quic://me:c0rp-passw0rd@127.0.0.1:1")
    async with running(tmp_path, *two) as (app, commands):
        await ask(app.url)
        (warning,) = (await commands.status()).warnings
    assert warning.startswith("ALL_PROXY is ignored")
    assert "passw0rd" not in warning


async def test_pause_acts_on_the_next_request_while_the_stream_goes_on(tmp_path):
    stream = Stream()
    async with (
        raw_upstream(stream.answer) as zai,
        raw_upstream(answer_message) as anthropic,
        running(tmp_path, anthropic, zai) as (app, commands),
        aiohttp.ClientSession() as client,
    ):
        async with client.post(f"{app.url}/v1/messages", data=SONNET) as answered:
            assert await answered.content.readany() == START
            answer = await commands.pause()
            assert answer.status.pause is not None
            assert answer.status.in_flight == 1
            await ask(app.url)
            counted = await read_to_end(app.url, post(b"/v1/messages/count_tokens", SONNET))
            assert b"200 OK" in counted
            assert anthropic.bodies == [SONNET, SONNET]
            stream.go_on.set()
            assert await answered.content.read() == END
        assert (await commands.resume()).status.pause is None
        await ask(app.url)
        assert (len(zai.bodies), len(anthropic.bodies)) == (2, 2)
    told = [(record.backend, record.reason) for record in read_records(app.paths.log_dir)]
    assert told == [("anthropic", "paused"), ("zai", "route sonnet"), ("zai", "route sonnet")]
    assert [each["event"] for each in commands.told()] == [
        "started",
        "paused",
        "resumed",
        "stopped",
    ]


@pytest.mark.parametrize("lets_finish", [True, False])
async def test_warm_conversation_finishes_where_it_is_only_if_wanted(tmp_path, two, lets_finish):
    async with running(tmp_path, *two, let_conversations_finish=lets_finish) as (app, commands):
        await ask(app.url, session="warm")
        await commands.pause()
        await ask(app.url, session="warm")
        await ask(app.url, session="cold")
        await ask(app.url, OPUS, session="warm")
        await ask(app.url)
        anthropic, zai = two
        assert len(zai.bodies) == (2 if lets_finish else 1)
        assert len(anthropic.bodies) == (3 if lets_finish else 4)


@pytest.mark.parametrize(
    ("until", "words"),
    [(-HOUR, "can't end at"), (timedelta(days=400), "can't end at")],
)
async def test_pause_that_ends_before_it_begins_or_never_is_refused(tmp_path, two, until, words):
    async with running(tmp_path, *two) as (_, commands):
        with pytest.raises(ControlError, match=words):
            await commands.pause(datetime.now(UTC) + until)
        assert (await commands.status()).pause is None


async def raw_ask(paths: Paths, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(paths.control_socket)
    writer.write(request)
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return answer


async def test_client_of_another_version_is_told_what_is_wrong(tmp_path, two):
    newer = b"Offramp-Protocol: 2\r\nConnection: close\r\n"
    async with running(tmp_path, *two) as (app, commands):
        answer = await raw_ask(app.paths, post(b"/pause", b'{"for":"haiku"}', newer))
        assert b"409 Conflict" in answer
        assert b"speaks control protocol 1, not 2" in answer
        assert b'"protocol":1' in answer
        answer = await raw_ask(app.paths, post(b"/pause", b'{"for":"haiku"}'))
        assert b"400 Bad Request" in answer
        assert b"unknown field" in answer
        for path in (b"/quota", b"/pause/now", b"/"):
            answer = await raw_ask(app.paths, get(path))
            assert b"404 Not Found" in answer
            assert b"restart it" in answer
        assert b"404 Not Found" in await raw_ask(app.paths, get(b"/pause"))
        status = get(b"/status").replace(b"Connection: close\r\n", newer)
        assert b'"pid":' in await raw_ask(app.paths, status)
        assert (await commands.status()).pause is None


async def test_nothing_that_changes_state_is_reachable_by_tcp(tmp_path, two):
    async with running(tmp_path, *two) as (app, commands):
        before = await commands.status()
        for route in ROUTES:
            path = f"/{route}".encode()
            assert b"200 OK" in await read_to_end(app.url, post(path, b""))
            assert b"200 OK" in await read_to_end(app.url, get(path))
        # All of it went where every unknown path goes.
        assert len(two[0].heads) == 2 * len(ROUTES)
        after = await commands.status()
        assert (
            (after.pause, after.is_stopping) == (before.pause, before.is_stopping) == (None, False)
        )
        assert not app.task.done()
    assert [each["event"] for each in commands.told()] == ["started", "stopped"]


async def test_reload_answers_what_it_came_to(tmp_path, two):
    async with running(tmp_path, *two) as (_, commands):
        answer = await commands.reload()
        assert (answer.problem, answer.changed, answer.after_restart) == (None, (), ())


async def test_stream_tells_each_change_at_once_and_ends_with_the_daemon(tmp_path, two):
    async with running(tmp_path, *two) as (app, commands):
        with contextlib.closing(await commands.events()) as stream:
            first = await next_of(stream)
            assert first is not None
            assert first.pause is None
            await commands.pause()
            paused = await next_of(stream)
            assert paused is not None
            assert paused.pause is not None
            app.shutdown.ask()
            async with asyncio.timeout(PATIENCE_S):
                while (last := await next_of(stream)) is not None:
                    paused = last
            assert paused.is_stopping
        await app.task
        with pytest.raises(NotRunningError):
            await commands.status()
    assert not app.paths.control_socket.exists()


async def test_stream_tells_of_requests_and_their_records(tmp_path, two):
    async with running(tmp_path, *two) as (app, commands):
        with contextlib.closing(await commands.events()) as stream:
            await next_of(stream)
            await ask(app.url)
            while (status := await next_of(stream)) is not None and not status.records.written:
                pass
            assert status is not None
            assert status.records.written == 1


async def test_many_changes_make_few_lines(tmp_path, two):
    async with running(tmp_path, *two) as (_, commands):
        with contextlib.closing(await commands.events()) as stream:
            await next_of(stream)
            began_s, count = time.monotonic(), 0
            for _ in range(20):
                await commands.pause()
                await commands.resume()
            last = (await commands.pause()).status.pause
            while (status := await next_of(stream)) is not None:
                count += 1
                if status.pause == last:  # the newest is never the one that is left out
                    break
            assert count <= 4 * (time.monotonic() - began_s) + 1


async def test_quiet_stream_is_kept_alive_and_a_deaf_one_dropped(tmp_path, two, monkeypatch):
    pace = Pace(gap_s=0.0, keep_alive_s=0.01, patience_s=0.2)
    monkeypatch.setattr(server, "Pace", lambda: pace)
    async with running(tmp_path, *two) as (app, commands):
        reader, writer = await asyncio.open_unix_connection(app.paths.control_socket)
        writer.write(get(b"/events"))
        await reader.readuntil(b"\r\n1\r\n\n\r\n1\r\n\n\r\n")
        writer.close()
        deaf = socket.socket(socket.AF_UNIX)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, os.fspath(app.paths.control_socket))
        await loop.sock_sendall(deaf, get(b"/events"))
        poller = select.poll()
        poller.register(deaf, 0)  # hanging up alone is told
        with contextlib.closing(await commands.events()) as stream:
            async with asyncio.timeout(PATIENCE_S):
                while not poller.poll(0):  # meanwhile it holds up nobody
                    await commands.pause()
                    assert await next_of(stream) is not None
                    await commands.resume()
        deaf.close()


async def test_paused_request_is_rid_of_foreign_thinking_and_else_as_it_came(tmp_path, two):
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": "0123456789abcdef01234567"}
    said = {"type": "text", "text": "Hi."}
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": [foreign, said]},
        {"role": "user", "content": "Go on"},
    ]
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": messages}
    async with running(tmp_path, *two) as (app, commands):
        await commands.pause()
        await ask(app.url, json.dumps(body).encode())
    messages[1]["content"] = [said]
    assert json.loads(two[0].bodies[0]) == body


async def test_commands_never_block_the_event_loop(tmp_path, two):
    with no_blocking("offramp_daemon", "offramp_core", "aiohttp"):
        async with running(tmp_path, *two) as (_, commands):
            with contextlib.closing(await commands.events()) as stream:
                await commands.pause(datetime.now(UTC) + HOUR)
                await commands.resume()
                await commands.reload()
                assert await next_of(stream) is not None
                await commands.drain()


@pytest.mark.parametrize("longer_s", [0.2, 1.0])  # one is longer than last answers may take
async def test_pause_that_is_being_written_holds_for_the_next_daemon(
    tmp_path, two, monkeypatch, longer_s
):
    may_write, write = threading.Event(), pause_keeper.save_pause

    def save_pause(file, pause):
        assert may_write.wait(PATIENCE_S)
        write(file, pause)

    monkeypatch.setattr(pause_keeper, "save_pause", save_pause)
    async with (
        running(tmp_path, *two) as (first, commands),
        running_app(tmp_path, settings_for(two[0].url, two[1].url)) as second,
        asyncio.TaskGroup() as tasks,
    ):
        pausing = tasks.create_task(quietly(commands.pause()))
        await commands.until(lambda status: status.pause is not None)
        first.shutdown.ask()
        await asyncio.sleep(longer_s)
        may_write.set()
        await first.task
        await pausing
        port = second.url.rpartition(":")[2]
        status = await commands.until(lambda status: status.address.endswith(port))
        assert status.pause is not None


async def quietly(command: Awaitable[object]) -> None:
    """Await a command whose answer may be cut off."""
    with contextlib.suppress(ControlError):
        await command


async def test_drain_ends_the_daemon_as_a_signal_does(tmp_path):
    stream = Stream()
    async with (
        raw_upstream(stream.answer) as zai,
        raw_upstream(answer_message) as anthropic,
        running(tmp_path, anthropic, zai) as (app, commands),
        aiohttp.ClientSession() as client,
    ):
        async with client.post(f"{app.url}/v1/messages", data=SONNET) as answered:
            assert await answered.content.readany() == START
            assert (await commands.drain()).status.is_stopping
            stream.go_on.set()
            assert await answered.content.read() == END
        await app.task


async def test_second_daemon_serves_without_and_takes_over_when_the_first_ends(tmp_path, two):
    async with running(tmp_path, *two) as (first, commands):
        second_settings = settings_for(two[0].url, two[1].url)
        async with running_app(tmp_path, second_settings) as second:
            await ask(second.url)
            status = await commands.status()
            assert status.address.endswith(first.url.rpartition(":")[2])
            await commands.pause()
            first.shutdown.ask()
            await first.task
            port = second.url.rpartition(":")[2]
            status = await commands.until(lambda status: status.address.endswith(port))
            assert status.pause is not None


async def test_socket_whose_folder_went_is_made_anew(tmp_path, two, monkeypatch):
    pace = Pace(look_every_s=0.02)
    monkeypatch.setattr(server, "Pace", lambda: pace)
    async with running(tmp_path, *two) as (_, commands):
        await commands.until_there()
        shutil.rmtree(tmp_path / "run")
        (tmp_path / "run").mkdir()
        await commands.until_there()


async def test_socket_that_cannot_be_made_keeps_nobody_from_being_served(tmp_path, two):
    (tmp_path / "run").write_text("a file where a folder should be")
    async with running_app(tmp_path, settings_for(two[0].url, two[1].url)) as app:
        await ask(app.url)
        with pytest.raises(NotRunningError):
            await Commands(app.paths).status()


async def test_home_deep_in_the_tree_is_commanded_all_the_same(tmp_path, two):
    async with running(tmp_path / ("deep" * 30), *two) as (_, commands):
        assert (await commands.pause()).status.pause is not None


async def test_a_failing_backend_shows_in_the_status_until_it_answers_again(tmp_path):
    is_down = True

    async def answer(connection: Connection) -> None:
        refusal = b'{"error":{"code":"1308","message":"Usage limit reached"}}'
        if is_down:
            await connection.write(
                b"HTTP/1.1 429 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(refusal), refusal)
            )
        else:
            await connection.write(json_answer(MESSAGE))

    async with (
        raw_upstream(answer_message) as anthropic,
        raw_upstream(answer) as zai,
        running(tmp_path, anthropic, zai) as (app, commands),
    ):
        headers = b"Connection: close\r\n"
        refused = await read_to_end(app.url, post(b"/v1/messages", SONNET, headers))
        assert b" 429 " in refused
        error = (await commands.status()).backends[1].last_error
        assert error is not None
        assert (error.kind, error.http_status, error.count) == (api.LIMIT, 429, 1)
        assert error.why == "zai refused it with HTTP status 429, code 1308"
        is_down = False
        await ask(app.url)
        assert (await commands.status()).backends[1].last_error is None


async def test_a_backend_that_cannot_be_reached_shows_in_the_status(tmp_path):
    async with raw_upstream(answer_message) as anthropic, raw_upstream(answer_message) as zai:
        pass  # both have ended, so nobody answers there
    async with running(tmp_path, anthropic, zai) as (app, commands):
        for body in (SONNET, OPUS):
            headers = b"Connection: close\r\n"
            await read_to_end(app.url, post(b"/v1/messages", body, headers))
        errors = [backend.last_error for backend in (await commands.status()).backends]
        assert [error.kind for error in errors if error] == [api.UNREACHABLE] * 2
