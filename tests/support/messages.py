"""Messages as clients send them, and what a proxy has around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp
    from proxy_harness import RunningProxy

SONNET = "claude-sonnet-4-5"
OPUS = "claude-opus-4-6"


def ask(model: str = SONNET, text: str = "Hello", **fields: object) -> dict[str, object]:
    return {
        "model": model,
        "max_tokens": 200,
        "stream": True,
        "messages": [{"role": "user", "content": text}],
        **fields,
    }


async def send(
    client: aiohttp.ClientSession,
    proxy: RunningProxy,
    body: dict[str, object],
    path: str = "/v1/messages?beta=true",
    **headers: str,
) -> tuple[int, bytes]:
    async with client.post(proxy.url + path, json=body, headers=headers) as answered:
        return answered.status, await answered.read()
