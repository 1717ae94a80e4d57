"""What the daemon must never write: no file and no stream of it holds content or credentials."""

from __future__ import annotations

import contextlib
import json
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
from daemon_process import daemon_process, free_port
from http_proxy import relay
from proxy_harness import ZAI_KEY
from raw_client import post, read_to_end
from raw_upstream import Connection, json_answer, raw_upstream

from offramp_core.paths import Paths
from offramp_core.usage import state_events
from offramp_core.usage.records import FILE_PATTERN, RequestRecord
from offramp_core.usage.state_events import StateEvent

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = "zebra-violin-lantern"
SYSTEM = "walrus-in-the-system"
ANSWER = "marmalade-from-the-model"
TOOL_RESULT = "tool-said-pelican"
ACCOUNT = "acc-7f3e-marzipan"
DEVICE = "dev-91ab-periwinkle"
TOKEN = "sk-ant-oat01-Tq7ZxW2mRb9KvLp4Nc8YsHd3JfGu6Ee5TiOyVqXa1BhMzDlCgUrFjSkPnwigAA"
API_KEY = "opaque/corporate+key=Uv83nMq2"
COOKIE = "sessionKey=biscuit-4471"
GATEWAY = "gateway-secret-oyster"
QUERY = "query-secret-gherkin"
CLIENT_TOKEN = "offramp-client-token-thistle-99"
OTHER_KEY = "plainKeyOfNoKnownShapeAtAll0815"
SECRETS = (
    *(PROMPT, SYSTEM, ANSWER, TOOL_RESULT, ACCOUNT, DEVICE, TOKEN, API_KEY, COOKIE, GATEWAY),
    *(QUERY, CLIENT_TOKEN, OTHER_KEY, ZAI_KEY, TOKEN[-5:], ZAI_KEY[-8:], OTHER_KEY[-8:]),
)
CALL = {"type": "tool_use", "id": "toolu_01", "name": "Read", "input": {"path": PROMPT}}
HEADERS = {
    "Authorization": f"Bearer {TOKEN}",
    "Cookie": COOKIE,
    "X-Corporate-Gateway": GATEWAY,
    "x-offramp-token": CLIENT_TOKEN,
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "oauth-2025-04-20",
}
MODELS = ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")
FAULTS = (
    *("", "gzip", "noise", "tool", "cut", "reset", "drop", "empty", "error-event", "error-200"),
    *("status=400", "status=401", "status=429", "status=529", "zai=1308", "zai=1001", "zai=1210"),
    *("signature-400", "no-such-fault", "cut-clean", "redacted", "server-tool"),
)


def ask(model: str, text: str = "", **fields: Any) -> dict[str, Any]:
    user = {"device_id": DEVICE, "account_uuid": ACCOUNT, "session_id": "5e55"}
    return {
        "model": model,
        "max_tokens": 50,
        "system": [{"type": "text", "text": SYSTEM}],
        "messages": [
            {"role": "user", "content": PROMPT},
            {"role": "assistant", "content": [CALL]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": CALL["id"], "content": TOOL_RESULT},
                    {"type": "text", "text": f"{PROMPT} [[sim:text={ANSWER}]] {text}"},
                ],
            },
        ],
        "metadata": {"user_id": json.dumps(user)},
        **fields,
    }


def settings(sim, port: int, *, echo: str, loop: str) -> str:
    """A file that sends some models to upstreams that fail, each in its own way."""
    backends = {
        "anthropic": sim.anthropic_url,
        "zai": sim.zai_url,
        "dead": f"http://127.0.0.1:{free_port()}",
        "echo": echo,
        "loop": loop,
    }
    routes = {"sonnet": "zai", "haiku": "zai", "dead": "dead", "echo": "echo", "loop": "loop"}
    lines = [
        f'port = {port}\nlog_level = "debug"\nmax_body_bytes = 65536\ndrain_timeout_s = 0.2',
        f'client_token = "{CLIENT_TOKEN}"',
    ]
    for name, url in backends.items():
        key = {"anthropic": "", "zai": f'key = "{ZAI_KEY}"'}.get(name, f'key = "{OTHER_KEY}"')
        lines.append(f'[backend.{name}]\nbase_url = "{url}"\n{key}')
    lines += [f'[[route]]\nmatch = "{m}"\nbackend = "{b}"' for m, b in routes.items()]
    return "\n".join(lines).replace('"haiku"', '"haiku"\nsend_model = "GLM-4.5-Air"')


async def echo(connection: Connection) -> None:
    """An error that repeats the request and its key, as some services' do."""
    message = f"bad input: {connection.body.decode()} with {connection.head.decode()}"
    error = {"error": {"code": "1210", "message": message}, "request_id": PROMPT}
    await connection.write(json_answer(json.dumps(error).encode(), status="400 Bad Request"))


async def send(client: aiohttp.ClientSession, url: str, **options: Any) -> None:
    """One request, whatever becomes of it."""
    with contextlib.suppress(aiohttp.ClientError):
        async with client.post(url, **options) as answered:
            await answered.read()


async def send_everything(client: aiohttp.ClientSession, url: str) -> None:
    messages = f"{url}/v1/messages?beta=true"
    for model in MODELS:
        for fault in FAULTS:
            for is_stream in (True, False):
                text = f"[[sim:{fault}]]" if fault else ""
                await send(client, messages, json=ask(model, text, stream=is_stream))
        count = ask(model)
        await send(client, f"{url}/v1/messages/count_tokens", json=count)
        await send(client, messages, json=ask(model, "x" * 70_000))
    for model in ("dead-1", "echo-1", "loop-1", PROMPT[:3] + "-echo"):
        await send(client, messages, json=ask(model))
        await send(client, f"{url}/v1/messages/count_tokens", json=ask(model))
    for data in (f'{{"model": "claude-opus-4-6", "{PROMPT}": {ANSWER}', f'"{PROMPT}', PROMPT):
        await send(client, messages, data=data.encode())
        await send(client, messages, data=data.encode(), headers={"Content-Encoding": "gzip"})
        await send(client, messages, data=data.encode(), headers={"Content-Encoding": "odd"})
    for model in MODELS:
        await send(client, messages, json=ask(model), headers={"x-api-key": API_KEY})
    await send(client, f"{url}/v1/other?key={QUERY}", json=ask(MODELS[0]))
    await send(client, messages, json=ask(MODELS[1]), headers={"Origin": "http://evil"})
    await send(client, messages, json=ask(MODELS[1]), headers={"x-offramp-token": QUERY})


async def send_what_is_no_http(url: str) -> None:
    secret = f"Authorization: Bearer {TOKEN}\r\nx-offramp-token: {CLIENT_TOKEN}\r\n".encode()
    body = json.dumps(ask(MODELS[1])).encode()
    for request in (
        f"{PROMPT} {TOKEN}\r\n\r\n".encode(),
        f"GET /?q={QUERY} HTTP/9.9\r\nCookie: {COOKIE}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{COOKIE} {TOKEN}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\nHost: x\r\nCookie: {COOKIE * 6000}\r\n\r\n".encode(),
        f"GET /{QUERY * 5000} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        post(f"//evil/v1/messages?q={QUERY}".encode(), body, secret),
        post(f"http://evil/{QUERY}".encode(), body, secret),
        post(b"/v1/messages", body, secret + b"Transfer-Encoding: chunked\r\n"),
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        + secret
        + b"\r\nnot-a-size\r\n"
        + body,
        post(b"/v1/messages", body, secret)[:-20],
    ):
        with contextlib.suppress(TimeoutError):
            await read_to_end(url, request, timeout_s=0.5)


def written_by_the_daemon(home: Path) -> dict[str, bytes]:
    """Every file but the settings, which are the user's own."""
    own = Paths.under(home).config_dir
    return {
        str(file.relative_to(home)): file.read_bytes()
        for file in home.rglob("*")
        if file.is_file() and own not in file.parents
    }


@pytest.mark.parametrize(("log_format", "failover"), [("text", "false"), ("json", "true")])
async def test_no_file_holds_content_or_credentials_at_debug_level(
    tmp_path, sim, log_format, failover
):
    port = free_port()
    file = Paths.under(tmp_path).config_file
    file.parent.mkdir(parents=True)
    said = tmp_path / "stderr.txt"
    async with (
        raw_upstream(echo) as echoing,
        relay(("127.0.0.1", port)) as loop,
        aiohttp.ClientSession(headers=HEADERS) as client,
    ):
        text = settings(sim, port, echo=echoing.url, loop=f"{loop.url}/loop")
        own = f'log_format = "{log_format}"\nfailover = {failover}\nqueue_wait_s = 0.01\n'
        file.write_text(own + text)
        with said.open("wb") as stderr:
            async with daemon_process(tmp_path, port=port, stderr=stderr.fileno()) as running:
                await running.wait_until_healthy(client)
                await send_everything(client, running.url)
                await send_what_is_no_http(running.url)
                assert await running.stop(signal.SIGINT) == 0
        assert echoing.heads
    written = written_by_the_daemon(tmp_path)
    diagnostics = written["diagnostics/daemon.log"]
    found = [
        (name, secret)
        for name, content in written.items()
        for secret in (*SECRETS, "Traceback")
        if secret.encode() in content
    ]
    assert not found
    for text in (b"Request failed", b"broke HTTP's rules", b"cut off", b"count_tokens"):
        assert text in diagnostics  # so that there was something to look through
    # What delegates answer is seen by the client only where nobody else serves it.
    statuses = {200, 400, 413, 415, 429, 529}
    if failover == "false":
        statuses |= {403, 500, 502}
    _check_records(running.records, running.paths.log_dir, statuses)


def _check_records(records: list[RequestRecord], folder: Path, statuses: set[int]) -> None:
    assert statuses <= {record.http_status for record in records}
    assert {record.status for record in records} >= {"success", "error"}
    fields = set(RequestRecord.__struct_fields__)
    for line in (folder / state_events.FILE_NAME).read_bytes().splitlines():
        assert msgspec.json.decode(line).keys() <= set(StateEvent.__struct_fields__)
    for file in folder.glob(FILE_PATTERN):
        for line in file.read_bytes().splitlines():
            record = msgspec.json.decode(line)
            assert record.keys() == fields
            assert not [key for key in record if "ms" in key.split("_") or "latency" in key]
