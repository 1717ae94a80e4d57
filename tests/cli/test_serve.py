"""`offramp serve` as a process: start, serve, reload, stop, and the ways to fail."""

from __future__ import annotations

import asyncio
import json
import signal
import socket

import pytest
from daemon_process import daemon_process, free_port, run_command, write_config
from raw_client import OPUS, connected, post
from raw_upstream import (
    DELTA,
    END,
    START,
    Stream,
    endless,
    raw_upstream,
)

from offramp_cli import exit_codes
from offramp_core.paths import Paths


async def test_ready_daemon_answers_serves_and_records(tmp_path, sim, client):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    async with daemon_process(tmp_path) as running:
        async with client.get(running.url + "/health") as answered:
            health = json.loads(await answered.read())
        assert (answered.status, health["status"]) == (200, "ok")
        assert health["pid"] == running.process.pid
        assert health["backends"] == {"anthropic": "ready", "zai": "ready"}
        body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": []}
        body["messages"] = [{"role": "user", "content": "Hello"}]
        async with client.post(running.url + "/v1/messages", json=body) as answered:
            assert answered.status == 200
            await answered.read()
        assert await running.stop() == 0
    assert f"listens on http://localhost:{running.port}" in running.said
    (record,) = running.records
    assert (record.model, record.backend, record.status) == ("claude-sonnet-4-5", "zai", "success")


async def test_greeting_names_connect_where_a_token_is_asked(tmp_path, sim):
    top = 'client_token = "a-token-of-24-characters"'
    write_config(tmp_path, sim.anthropic_url, sim.zai_url, top=top)
    async with daemon_process(tmp_path) as running:
        await running.stop()
    assert "  Claude Code: offramp connect" in running.said
    assert "export ANTHROPIC_BASE_URL" not in running.said


async def test_localhost_reaches_it_over_ipv6_too(tmp_path):
    async with daemon_process(tmp_path) as running:
        try:
            _, writer = await asyncio.open_connection("::1", running.port)
        except OSError:
            pytest.skip("this machine has no IPv6")
        writer.close()
        await running.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_with_nothing_in_flight_ends_it_promptly(tmp_path, sim, client, number):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url, top="drain_timeout_s = 300")
    async with daemon_process(tmp_path) as running:
        # Its connection stays open, here and towards the upstream.
        async with client.get(running.url + "/v1/models") as answered:
            assert answered.status == 200
            await answered.read()
        async with connected(running.url):
            assert await running.stop(number) == 0
    assert "Traceback" not in running.said
    assert running.said.splitlines()[-1] == "Offramp has stopped."
    assert "Error" not in running.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stream_in_flight_ends_whole_while_no_connection_is_taken(tmp_path, client, number):
    stream = Stream()
    async with raw_upstream(stream.answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url)
        async with daemon_process(tmp_path) as running:
            async with client.post(running.url + "/v1/messages", data=OPUS) as answered:
                assert await answered.content.readany() == START
                running.send(number)
                assert "1 request" in await running.line_with("Stopping")
                with pytest.raises(ConnectionError):
                    await asyncio.open_connection("127.0.0.1", running.port)
                stream.go_on.set()
                assert await answered.content.read() == END
            assert await running.exit_code() == 0
    (record,) = running.records
    assert (record.status, record.output_tokens) == ("success", 34)
    assert "Traceback" not in running.said


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
async def test_stream_longer_than_the_drain_is_broken_off_and_recorded(tmp_path, version):
    async with raw_upstream(endless) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top="drain_timeout_s = 0.2")
        async with (
            daemon_process(tmp_path) as running,
            connected(running.url) as (reader, writer),
        ):
            writer.write(post(b"/v1/messages", OPUS).replace(b"HTTP/1.1", version))
            assert DELTA in await reader.readuntil(DELTA)
            assert await running.stop() == 0
            assert not await _ends_cleanly(reader, version)
    (record,) = running.records
    assert (record.status, record.reason) == ("error", "daemon stopped")
    assert (record.http_status, record.input_tokens) == (200, 12)
    assert "Traceback" not in running.said


async def _ends_cleanly(reader: asyncio.StreamReader, version: bytes) -> bool:
    """Whether the rest lets the client think that it has the whole answer."""
    try:
        rest = await reader.read()
    except ConnectionError:
        return False
    return version == b"HTTP/1.0" or rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_second_signal_ends_it_at_once(tmp_path, number):
    async with raw_upstream(endless) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top="drain_timeout_s = 300")
        async with (
            daemon_process(tmp_path) as running,
            connected(running.url) as (reader, writer),
        ):
            writer.write(post(b"/v1/messages", OPUS))
            await reader.readuntil(DELTA)
            running.send(number)
            await running.line_with("Stopping")
            assert await running.stop(number) == 0
    assert running.records[0].reason == "daemon stopped"
    assert "Traceback" not in running.said


async def test_request_whose_body_never_comes_does_not_hold_up_the_end(tmp_path):
    write_config(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9", top="drain_timeout_s = 0.2")
    async with (
        daemon_process(tmp_path) as running,
        connected(running.url) as (reader, writer),
    ):
        head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
        writer.write(head + b"Expect: 100-continue\r\n\r\n")
        assert b"100" in await reader.readline()  # so it has begun to read the body
        assert await running.stop() == 0
    assert [record.status for record in running.records] == ["error"]


async def test_folders_that_cannot_be_written_do_not_stop_it(tmp_path, sim, client):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    for name in ("data", "diagnostics"):
        (tmp_path / name).write_text("a file where a folder should be")
    async with daemon_process(tmp_path) as running:
        body = {"model": "claude-opus-4-6", "max_tokens": 9}
        body["messages"] = [{"role": "user", "content": "Hello"}]
        async with client.post(running.url + "/v1/messages", json=body) as answered:
            assert answered.status == 200
            await answered.read()
        assert await running.stop() == 0
    assert "Traceback" not in running.said


async def test_port_in_use_is_said_with_its_own_exit_code(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        ending = await run_command(tmp_path, "serve", "--port", str(port))
    assert ending.code == exit_codes.PORT_BUSY == 4
    assert f"Port {port}" in ending.err
    assert "--port" in ending.err
    assert "Traceback" not in ending.err


async def test_second_daemon_is_told_who_has_the_port_and_since_when(tmp_path):
    async with daemon_process(tmp_path) as running:
        ending = await run_command(tmp_path / "other", "serve", "--port", str(running.port))
        assert ending.code == exit_codes.PORT_BUSY
        assert f"another Offramp (pid {running.process.pid}, since " in ending.err
        assert await running.stop() == 0


async def test_wrong_settings_are_refused_with_their_own_exit_code(tmp_path):
    file = Paths.under(tmp_path).config_file
    file.parent.mkdir(parents=True)
    file.write_text("port = 70000\n")
    ending = await run_command(tmp_path, "serve")
    assert ending.code == exit_codes.SETTINGS_REFUSED == 3
    for part in (str(file), "port", "70000"):
        assert part in ending.err
    assert "Traceback" not in ending.err


@pytest.mark.parametrize("arguments", [("--port", "0"), ("--port", "x"), ("--no-such",), ("x",)])
async def test_bad_option_is_refused_as_usage(tmp_path, arguments):
    ending = await run_command(tmp_path, "serve", *arguments)
    assert ending.code == 2
    assert "Usage: offramp serve" in ending.err
    assert "Traceback" not in ending.err


async def test_port_option_wins_over_environment_and_file(tmp_path):
    write_config(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9", top="port = 65001")
    async with daemon_process(tmp_path, PORT="65002", OFFRAMP_PORT="65003") as running:
        async with connected(running.url):
            pass
        assert await running.stop() == 0


async def test_own_address_in_the_environment_is_said_and_not_used(tmp_path):
    port = free_port()
    config = f"port = {port}\n"
    file = Paths.under(tmp_path).config_file
    file.parent.mkdir(parents=True)
    file.write_text(config)
    variables = {"ANTHROPIC_BASE_URL": f"http://localhost:{port}"}
    ending = await run_command(tmp_path, "config", "check", **variables)
    assert ending.code == 0
    assert "Offramp itself" in ending.err


async def test_files_of_the_log_are_private_to_the_user(tmp_path, sim, client):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    async with daemon_process(tmp_path) as running:
        async with client.post(running.url + "/v1/messages", data=OPUS) as answered:
            await answered.read()
        await running.stop()
    for file in [*running.paths.log_dir.iterdir(), *running.paths.diagnostics_dir.iterdir()]:
        assert file.stat().st_mode & 0o077 == 0, file
