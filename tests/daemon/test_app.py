"""The daemon put together: how it ends with answers still on their way."""

from __future__ import annotations

import asyncio
import json

from proxy_harness import settings_for
from raw_client import OPUS, connected, post
from raw_upstream import Connection, json_answer, raw_upstream
from running_app import running_app

WHOLE = json.dumps({"text": "x" * (12 * 1024 * 1024)}).encode()


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
        async with asyncio.timeout(2):
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
        async with asyncio.timeout(2):
            await running.task
