"""A service that repeats a credential, in whatever place and spelling, brings it to nobody."""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import aiohttp
import key_spellings
import msgspec
import pytest
from key_echoes import ECHOES
from key_spellings import SPELLINGS
from proxy_harness import ZAI_KEY, running_proxy, settings_for
from raw_upstream import Connection, answer_message, json_answer, raw_upstream

from offramp_core.settings import Secret

if TYPE_CHECKING:
    from proxy_harness import RunningProxy

OTHER_KEY = "another+backends/key=Uv83nMq2-ToQ"
CLIENT_TOKEN = "offramp-client-token-thistle-99"
API_KEY = "opaque/corporate+key=Uv83nMq2"
LOGIN = "sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee6TiOyWpBq1VhCxMzKlDgSaFjUrwigAA"
KEYS = (ZAI_KEY, OTHER_KEY, CLIENT_TOKEN, API_KEY, LOGIN)
SENT = {
    "x-api-key": API_KEY,
    "Authorization": f"Bearer {LOGIN}",
    "x-offramp-token": CLIENT_TOKEN,
}
ASK = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}


def readings(text: str) -> set[str]:
    """What a reader may make of `text`, one or two layers undone."""
    found = {text}
    for _ in range(3):
        for each in tuple(found):
            found |= {unquote(each), html.unescape(each)}
            found.add(each.replace("\\\\", "\\").encode().decode("unicode_escape", "replace"))
    return {each.lower() for each in found}


def most_of(key: str, text: str) -> str:
    """The longest piece of `key` that can be read in `text`."""
    best = ""
    for reading in readings(text):
        for start in range(len(key)):
            while key[start : start + len(best) + 1].lower() in reading:
                if start + len(best) + 1 > len(key):
                    break
                best = key[start : start + len(best) + 1]
    return best


async def raw_answer(session: aiohttp.ClientSession, proxy: RunningProxy) -> str:
    """All that the client gets: status line, headers and body."""
    async with session.post(f"{proxy.url}/v1/messages", json=ASK, headers=SENT) as answer:
        head = [
            answer.reason or "",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        return "\n".join(head) + "\n" + (await answer.read()).decode("utf-8", "replace")


def written(proxy: RunningProxy, caplog: pytest.LogCaptureFixture) -> str:
    """All that is written of the requests so far."""
    lines = [str(msgspec.structs.asdict(record)) for record in proxy.records]
    lines += [str(msgspec.structs.asdict(line)) for line in proxy.console_lines]
    lines += [str(vars(record)) for record in caplog.records if record.name.startswith("offramp")]
    return "\n".join(lines)


def settings(url: str, **fields: Any):
    own = settings_for(url, url, client_token=Secret(CLIENT_TOKEN), **fields)
    other = msgspec.structs.replace(own.backend("zai"), name="other", key=Secret(OTHER_KEY))
    return msgspec.structs.replace(own, backends=(*own.backends, other))


@pytest.mark.parametrize("echo", ECHOES)
async def test_credential_in_an_error_reaches_neither_the_client_nor_a_file(
    echo: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    now = ""

    async def answer(connection: Connection) -> None:
        await connection.write(ECHOES[echo](now))

    async with (
        raw_upstream(answer) as service,
        running_proxy(settings(service.url, failover=False), is_private=False) as proxy,
        aiohttp.ClientSession() as session,
    ):
        for number, spell in enumerate(SPELLINGS):
            for key in KEYS if spell is key_spellings.plain else (KEYS[number % len(KEYS)],):
                now = spell(key)
                got = await raw_answer(session, proxy)
                for place, text in (("client", got), ("files", written(proxy, caplog))):
                    piece = most_of(key, text)
                    assert len(piece) <= max(11, len(key) / 3), (place, spell.__name__, text)
                    assert now[4:-4] not in text, (place, spell.__name__)
                caplog.clear()
                proxy.exchanges.clear()
        assert len(service.heads) >= len(SPELLINGS)


@pytest.mark.parametrize("name", ["X-Request-Id", "request-id", "Server", "X-Log-Id"])
async def test_credential_in_a_head_that_passes_is_held_back(name: str) -> None:
    async def answer(connection: Connection) -> None:
        head = f"{name}: {ZAI_KEY}\r\n".encode()
        body = b'{"type": "message", "model": "glm", "content": []}'
        await connection.write(json_answer(body, status=f"200 {ZAI_KEY}", headers=head))

    async with (
        raw_upstream(answer) as service,
        running_proxy(settings(service.url)) as proxy,
        aiohttp.ClientSession() as session,
    ):
        got = await raw_answer(session, proxy)
        assert ZAI_KEY not in got
        assert '"type": "message"' in got


async def test_error_of_claude_passes_as_it_came() -> None:
    body = (
        b'{"type":"error","error":{"type":"authentication_error","message":"sk-ant-oat01-quoted"}}'
    )

    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(body, status="401 No"))

    async with (
        raw_upstream(answer) as service,
        running_proxy(settings(service.url)) as proxy,
        aiohttp.ClientSession() as session,
        session.post(
            f"{proxy.url}/v1/messages", json={**ASK, "model": "claude-opus-4-6"}, headers=SENT
        ) as answered_with,
    ):
        assert await answered_with.read() == body


@pytest.mark.parametrize(
    "header", ["Host", "Origin", "Referer", "Content-Encoding", "Sec-Fetch-Site", "User-Agent"]
)
async def test_credential_that_a_client_puts_into_another_header_too_is_in_no_file(
    header: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        raw_upstream(answer_message) as service,
        running_proxy(settings_for(service.url, service.url)) as proxy,
        aiohttp.ClientSession() as session,
    ):
        for key in (API_KEY, LOGIN):
            sent = {**SENT, header: key.replace("/", "_") if header == "Host" else key}
            if header == "Host":
                sent["x-api-key"] = sent["Host"]
            async with session.post(f"{proxy.url}/v1/messages", json=ASK, headers=sent) as answer:
                await answer.read()
            assert len(most_of(sent[header], written(proxy, caplog))) < 12
