"""Nothing of the running daemon blocks its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest
from blockbuster import blockbuster_ctx
from proxy_harness import settings_for

from offramp_core.config import LoadedSettings
from offramp_core.paths import Paths
from offramp_daemon import app, listening
from offramp_daemon.console import Console
from offramp_daemon.lifecycle import Shutdown
from offramp_daemon.live_settings import LiveSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MIB = 1024 * 1024


@contextlib.asynccontextmanager
async def running_app(tmp_path, simulator) -> AsyncIterator[str]:
    """The whole daemon in this process, from its first breath to its last under watch."""
    settings = settings_for(simulator.anthropic_url, simulator.zai_url, max_body_bytes=12 * MIB)
    console = Console(io.StringIO(), log_format="text")
    console.start()
    loaded = LoadedSettings(settings=settings, origins={}, notes=())
    live = LiveSettings(lambda: loaded, lambda: None, console.say)
    listeners = listening.open_listeners("127.0.0.1", 0)
    host, port = listeners[0].getsockname()
    shutdown, ready = Shutdown(), asyncio.Event()
    with blockbuster_ctx(scanned_modules=["offramp_daemon", "offramp_core", "aiohttp"]):
        async with asyncio.TaskGroup() as group:
            group.create_task(
                app.serve(
                    live,
                    Paths.under(tmp_path),
                    console,
                    listeners,
                    shutdown,
                    on_ready=ready.set,
                )
            )
            await ready.wait()
            yield f"http://{host}:{port}"
            shutdown.ask()
    console.close()


def ask(model: str, text: str, **fields: object) -> dict[str, object]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "max_tokens": 50, "messages": messages, **fields}


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-4-5"])
async def test_ordinary_traffic_never_blocks_the_event_loop(tmp_path, sim, client, model):
    wanted = [
        (ask(model, "Hello"), 200),
        (ask(model, "Hello [[sim:gzip]] [[sim:events=100]]", stream=True), 200),
        (ask(model, "word " * (MIB // 4)), 200),
        (ask(model, "Hello [[sim:status=500]]"), 500),
        (ask(model, "Hello [[sim:drop]]"), 502),
        (ask(model, "Hello [[sim:signature-400]]", thinking={"type": "adaptive"}), None),
        (ask(model, "x" * (13 * MIB)), 413),
    ]
    async with running_app(tmp_path, sim) as url:
        for body, status in wanted:
            headers = {"Accept-Encoding": "gzip"}
            data = io.BytesIO(json.dumps(body).encode())
            async with client.post(url + "/v1/messages", data=data, headers=headers) as answered:
                await answered.read()
                assert answered.status == (status or answered.status)
                assert answered.status != 500 or status == 500
        for path in ("/health", "/v1/models", "/v1/messages/count_tokens"):
            async with client.get(url + path) as answered:
                await answered.read()
        body = ask(model, "Hello [[sim:cut]]", stream=True)
        with pytest.raises(aiohttp.ClientError):
            async with client.post(url + "/v1/messages", json=body) as answered:
                await answered.read()
        async with client.post(url + "/v1/messages", data=b"{") as answered:
            assert answered.status == 400
    lines = [
        line
        for file in (tmp_path / "data" / "log").iterdir()
        for line in file.read_bytes().splitlines()
    ]
    assert len(lines) >= len(wanted) + 2
