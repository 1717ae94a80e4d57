"""A whole run with keys in every place: none is in a file, on the console or in a command's words.

The service repeats what it got, and what it did not get, in all places of its answers.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import signal
from typing import TYPE_CHECKING
from urllib.parse import unquote

import aiohttp
import pytest
from daemon_process import daemon_process, free_port, run_command
from key_echoes import ECHOES
from key_spellings import SPELLINGS
from proxy_harness import ZAI_KEY
from raw_upstream import Connection, json_answer, raw_upstream

from offramp_core.paths import Paths
from offramp_core.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OTHER_KEY = "another+backends/key=Uv83nMq2-ToQ"
CLIENT_TOKEN = "thistle-99-hedgehog-Kx7Qw2Zp"
API_KEY = "opaque/corporate+key=Hj47bVt9Lq"
LOGIN = "sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee6TiOyWpBq1VhCxMzKlDgSaFjUrwigAA"
PROXY_WORD = "pw9Zk3Wm7Xn5Rt2Ls8"
KEYS = (ZAI_KEY, OTHER_KEY, CLIENT_TOKEN, API_KEY, LOGIN, PROXY_WORD)
SENT = {
    "x-api-key": API_KEY,
    "Authorization": f"Bearer {LOGIN}",
    "x-offramp-token": CLIENT_TOKEN,
}
COMMANDS = {
    "text": ("status", "doctor", "config show", "key show", "logs", "stats --csv"),
    "json": ("status --json", "doctor --report", "logs --json", "stats --json"),
}
MESSAGE = '{"type": "message", "model": "KEY", "id": "KEY", "content": [], "usage": {"KEY": 1}}'
QUOTA = '{"code": 200, "data": {"level": "KEY", "limits": [{"type": "KEY", "unit": 6}]}}'


def answers(keys: Sequence[str]) -> Iterator[bytes]:
    """Every echo, each time of another key in another spelling, and answers that are none."""
    spelt = itertools.cycle(spell(key) for spell in SPELLINGS for key in keys)
    for echo in itertools.cycle(ECHOES.values()):
        yield echo(next(spelt))
        for whole in (MESSAGE, QUOTA):
            yield json_answer(whole.replace("KEY", next(spelt).replace("\\", "\\\\")).encode())


def settings(port: int, url: str, *, failover: bool, log_format: str) -> str:
    return f"""
        port = {port}
        log_level = "debug"
        log_format = "{log_format}"
        failover = {str(failover).lower()}
        client_token = "{CLIENT_TOKEN}"
        queue_wait_s = 0.01
        zai_quota = true
        [backend.anthropic]
        base_url = "{url}"
        [backend.zai]
        base_url = "{url}/api/anthropic"
        [backend.other]
        base_url = "{url}"
        key = "{OTHER_KEY}"
        [[route]]
        match = "other"
        backend = "other"
        [[route]]
        match = "sonnet"
        backend = "zai"
    """


async def send_planted(client: aiohttp.ClientSession, url: str) -> None:
    """Requests with keys wherever a client can put them; the service answers as it likes."""
    spelt = itertools.cycle(spell(key) for key in KEYS[:-1] for spell in SPELLINGS[:12])
    models = itertools.cycle(["claude-sonnet-4-5", "other-1", "claude-opus-4-6", "KEY sonnet"])
    for number in range(4 * len(ECHOES)):
        word = next(spelt)
        body = {
            "model": next(models).replace("KEY", word),
            "max_tokens": 9,
            "stream": number % 2 == 0,
            "messages": [{"role": "user", "content": word}],
            "metadata": {"user_id": word},
        }
        headers = {"x-claude-code-session-id": word, "User-Agent": word}
        path = ("messages", "messages", "messages/count_tokens", f"other?key={word}")[number % 4]
        with contextlib.suppress(aiohttp.ClientError, ValueError):
            async with client.post(f"{url}/v1/{path}", json=body, headers=headers) as answer:
                await answer.read()


def found_in(text: str) -> list[str]:
    """The keys of which more than a word can be read in `text`."""
    redactor = Redactor(KEYS)
    readings = {text, unquote(text), html.unescape(text), text.replace("\\\\", "\\")}
    plain = [key for key in KEYS for reading in readings if key.lower() in reading.lower()]
    return [*plain, *(["a spelling"] if redactor.holds(text) else [])]


def files_under(home: Path, *, but: Path) -> dict[str, str]:
    """Every file but the settings, which are the user's own."""
    return {
        str(path.relative_to(home)): path.read_text(errors="replace")
        for path in home.rglob("*")
        if path.is_file() and path != but
    }


@pytest.mark.parametrize(("log_format", "failover"), [("text", False), ("json", True)])
async def test_no_file_and_no_output_holds_a_planted_key(
    tmp_path: Path, log_format: str, failover: bool
) -> None:
    port, source, of_own_key = free_port(), answers(KEYS), answers([ZAI_KEY])
    variables = {
        "ZAI_API_KEY": ZAI_KEY,
        "ALL_PROXY": f"http://user:{PROXY_WORD}@127.0.0.1:{free_port()}",
    }

    async def answer(connection: Connection) -> None:
        if b"user-agent: offramp\r\n" in connection.head.lower():  # a look at the key, of its own
            await connection.write(next(of_own_key))
        else:
            await connection.write(next(source))

    said = tmp_path / "stderr.txt"
    outputs: dict[str, str] = {}
    async with raw_upstream(answer) as service, aiohttp.ClientSession(headers=SENT) as client:
        file = Paths.under(tmp_path).config_file
        file.parent.mkdir(parents=True)
        file.write_text(settings(port, service.url, failover=failover, log_format=log_format))
        with said.open("wb") as stderr:
            async with daemon_process(
                tmp_path, port=port, stderr=stderr.fileno(), **variables
            ) as running:
                await running.wait_until_healthy(client)
                await send_planted(client, running.url)
                for command in COMMANDS[log_format]:
                    ending = await run_command(tmp_path, *command.split(), **variables)
                    outputs[command] = ending.out + ending.err
                assert await running.stop(signal.SIGINT) == 0
        assert sum(ZAI_KEY.encode() in head for head in service.heads) > 10
    written = files_under(tmp_path, but=file)
    assert len(written["stderr.txt"].splitlines()) > len(ECHOES)
    leaks = {name: keys for name, text in (written | outputs).items() if (keys := found_in(text))}
    assert not leaks
