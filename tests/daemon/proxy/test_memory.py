"""What a request held is free at its end, without the garbage collector, which may come late."""

from __future__ import annotations

import contextlib
import gc
import gzip
from typing import TYPE_CHECKING

import pytest
from raw_client import OPUS, SONNET, post, read_to_end
from raw_upstream import DELTA, END, SSE_HEAD, START, Connection, chunk, raw_upstream

from offramp_daemon.messages.answers.answer_repair import StreamRepair
from offramp_daemon.messages.answers.first_event import FirstEventReader
from offramp_daemon.upstream.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

CODED_HEAD = SSE_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
LAST = b"0\r\n\r\n"
WHOLE = SSE_HEAD + chunk(START) + chunk(DELTA) + chunk(END) + LAST
CODED = CODED_HEAD + chunk(gzip.compress(START + DELTA + END)) + LAST
CUT = SSE_HEAD + chunk(START) + chunk(DELTA)


HOLDERS = (Answer, FirstEventReader, StreamRepair)
"""Through these all else that belongs to a request would be held."""


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Meanwhile nothing that holds itself is freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("model", [OPUS, SONNET], ids=["opus", "sonnet"])
@pytest.mark.parametrize("raw", [WHOLE, CODED, CUT], ids=["whole", "coded", "cut"])
async def test_stream_that_has_ended_leaves_nothing_in_memory(start_proxy, model, raw):
    async def answer(connection: Connection) -> None:
        head, first, rest = raw.partition(b"\r\n\r\n")
        await connection.write(head + first)
        for start in range(0, len(rest), 40):
            await connection.write(rest[start : start + 40])
        connection.writer.close()

    async with (
        raw_upstream(answer) as upstream,
        start_proxy(upstream.url, upstream.url) as proxy,
    ):
        for _ in range(3):
            with contextlib.suppress(ConnectionError):
                assert await read_to_end(proxy.url, post(b"/v1/messages", model))
        assert not [each for each in gc.get_objects() if isinstance(each, HOLDERS)]
