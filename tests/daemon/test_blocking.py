"""Nothing of the running daemon blocks its event loop."""

from __future__ import annotations

import io
import json

import aiohttp
import pytest
from loop_guard import no_blocking
from proxy_harness import settings_for
from running_app import running_app

MIB = 1024 * 1024
WATCHED = ["offramp_daemon", "offramp_core", "aiohttp"]


def ask(model: str, text: str, **fields: object) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": model, "max_tokens": 50, "messages": messages, **fields}).encode()


async def send_ordinary_traffic(client: aiohttp.ClientSession, url: str, model: str) -> None:
    """Small, streamed and large requests, and errors; each has the status that it should have."""
    headers = {"Accept-Encoding": "gzip"}
    for body, statuses in (
        (ask(model, "Hello"), {200}),
        (ask(model, "Hello [[sim:gzip]] [[sim:events=100]]", stream=True), {200}),
        (ask(model, "word " * (MIB // 4)), {200}),
        (ask(model, "Hello [[sim:status=503]]"), {500, 503}),
        (ask(model, "Hello [[sim:drop]]"), {502}),
        (ask(model, "Hello [[sim:signature-400]]"), {200, 400}),
        (ask(model, "x" * (13 * MIB)), {413}),
        (b"{", {400}),
    ):
        data = io.BytesIO(body)
        async with client.post(f"{url}/v1/messages", data=data, headers=headers) as answered:
            await answered.read()
            assert answered.status in statuses
    for path in ("/health", "/v1/models"):
        async with client.get(url + path) as answered:
            assert answered.status == 200
            await answered.read()
    async with client.post(f"{url}/v1/messages/count_tokens", data=ask(model, "Hi")) as answered:
        assert json.loads(await answered.read())["input_tokens"] > 0
    cut = ask(model, "Hello [[sim:cut]]", stream=True)
    async with client.post(f"{url}/v1/messages", data=cut) as answered:
        with pytest.raises(aiohttp.ClientError):
            await answered.read()


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-4-5"])
async def test_ordinary_traffic_never_blocks_the_event_loop(tmp_path, sim, client, model):
    settings = settings_for(sim.anthropic_url, sim.zai_url, max_body_bytes=12 * MIB)
    with no_blocking(*WATCHED):
        async with running_app(tmp_path, settings) as running:
            await send_ordinary_traffic(client, running.url, model)
    (file,) = (tmp_path / "data" / "log").glob("requests-*")
    assert len(file.read_bytes().splitlines()) == 9
