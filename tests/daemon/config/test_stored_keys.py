"""A daemon whose key the keyring holds, and one whose way out `.env` sets."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from control_harness import Commands
from daemon_process import OFFRAMP, daemon_process, environment, run_command
from http_proxy import http_proxy
from keyring_harness import FakeKeyring, has_real_keyring, lock, real_keyring
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY
from raw_client import OPUS, SONNET
from raw_upstream import MESSAGE, Connection, json_answer, raw_upstream
from supervised import supervised

from offramp_core.keys import key_file
from offramp_core.keys.key_store import KeyStore
from offramp_core.paths import Paths
from offramp_core.settings import Secret

KEY = Secret(ZAI_KEY)
OTHER = "fedcba98765432100123456789abcdef.HgFeDcBa87654321"
ASK = SONNET.replace(b"[]", b'[{"role":"user","content":"Hello"}]')


def keep_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    """Have the fake keyring hold the key of this home."""
    keyring = FakeKeyring(home)
    with monkeypatch.context() as patched:
        for name, value in keyring.variables.items():
            patched.setenv(name, value)
        KeyStore(Paths.under(home)).set("zai", KEY)
    return keyring


def write_addresses(home: Path, anthropic_url: str, zai_url: str) -> None:
    Paths.under(home).config_file.write_text(
        f'anthropic_base_url = "{anthropic_url}"\nzai_base_url = "{zai_url}"\nplain_http = true\n'
    )


async def ask(client, url: str) -> None:
    async with client.post(url + "/v1/messages", data=ASK) as answered:
        assert answered.status == 200
        await answered.read()


def key_events(commands: Commands) -> list[str]:
    return [each["event"] for each in commands.told() if each["event"].startswith("key")]


async def test_hand_over_never_lets_go_of_a_key_that_the_keyring_gave(
    tmp_path, sim, client, monkeypatch
):
    keyring = keep_key(tmp_path, monkeypatch)
    write_addresses(tmp_path, sim.anthropic_url, sim.zai_url)
    async with supervised(tmp_path, **keyring.variables) as running:
        await running.until(lambda s: all(b.key != "missing" for b in s.backends))
        is_over = asyncio.Event()

        async def keep_asking() -> None:
            while not is_over.is_set():
                await ask(client, running.url)

        async with asyncio.TaskGroup() as group:
            group.create_task(keep_asking())
            for _ in range(3):
                await running.commands.restart()
            is_over.set()
        assert await running.stop() == 0
    assert len(running.records) > 3
    assert {record.backend for record in running.records} == {"zai"}


async def test_blocking_keyring_keeps_no_successor_from_serving(tmp_path, monkeypatch):
    keyring = keep_key(tmp_path, monkeypatch)
    async with supervised(tmp_path, **keyring.variables) as running:
        before = await running.until(lambda s: all(b.key != "missing" for b in s.backends))
        keyring.be("blocked")
        await running.commands.restart()
        after = await running.until_serving(other_than=before.pid)
        (zai,) = (each for each in after.backends if each.name == "zai")
        assert zai.key == "missing"
        assert (zai.key_note or "").startswith("waiting for the keyring")
        keyring.be("")
        await running.commands.reload()  # which asks it at once
        await running.until(lambda s: all(b.key != "missing" for b in s.backends))
        assert await running.stop() == 0


async def test_blocking_keyring_delays_no_start_and_its_key_is_taken_later(
    tmp_path, sim, client, monkeypatch
):
    keyring = keep_key(tmp_path, monkeypatch)
    keyring.be("blocked")
    write_addresses(tmp_path, sim.anthropic_url, sim.zai_url)
    async with daemon_process(tmp_path, **keyring.variables) as running:
        commands = Commands(running.paths)
        status = await commands.until_there()
        (zai,) = (each for each in status.backends if each.name == "zai")
        assert (zai.key, zai.key_note) == ("missing", "waiting for the keyring")
        assert "its key waits for the keyring" in running.said
        assert "in the system keyring" in running.said
        ending = await run_command(tmp_path, "status", **keyring.variables)
        assert "missing (waiting for the keyring)" in ending.out
        await ask(client, running.url)
        keyring.be("")
        await running.line_with("The keyring gave the key for zai.")
        await commands.until(lambda s: all(b.key != "missing" for b in s.backends))
        await ask(client, running.url)
        assert await running.stop() == 0
    assert [record.backend for record in running.records] == ["anthropic", "zai"]
    assert key_events(commands) == []  # it came with the first answer
    written = running.paths.diagnostics_file.read_text() + running.said
    assert ZAI_KEY not in written


async def test_locked_keyring_is_said_once_and_asked_again_on_reload(
    tmp_path, sim, client, monkeypatch
):
    keyring = keep_key(tmp_path, monkeypatch)
    keyring.be("locked")
    write_addresses(tmp_path, sim.anthropic_url, sim.zai_url)
    async with daemon_process(tmp_path, **keyring.variables) as running:
        commands = Commands(running.paths)
        line = await running.line_with("is locked")
        assert "offramp key set --file" in line
        status = await commands.until(lambda s: "locked" in str(s.backends))
        assert "waiting for the keyring: the system keyring is locked" in str(status.backends)
        await ask(client, running.url)
        await commands.reload()
        keyring.be("")
        await commands.reload()
        await commands.until(lambda s: all(b.key != "missing" for b in s.backends))
        await ask(client, running.url)
        # Another program changes it in the keyring, and a reload takes that.
        keyring.replace("zai", OTHER)
        await commands.reload()
        await running.line_with("The keyring gave the key")
        await running.line_with("The keyring gave the key")
        # Its mark goes: so does the key.
        key_file.remove(running.paths.keys_file, "zai")
        answer = await commands.reload()
        assert answer.problem is None
        await commands.until(lambda s: any(b.key == "missing" for b in s.backends))
        assert await running.stop() == 0
    assert running.said.count("is locked") == 1
    assert [record.backend for record in running.records] == ["anthropic", "zai"]
    assert key_events(commands) == ["key missing", "key found", "key missing"]


@pytest.mark.skipif(
    not has_real_keyring(), reason="gnome-keyring-daemon or dbus-daemon is not here"
)
async def test_real_keyring_from_key_set_to_a_delegated_request(tmp_path, sim, client):
    Paths.under(tmp_path).config_dir.mkdir()
    write_addresses(tmp_path, sim.anthropic_url, sim.zai_url)
    with (
        tempfile.TemporaryDirectory(prefix="kr") as folder,
        real_keyring(Path(folder)) as variables,
    ):
        async with daemon_process(tmp_path, **variables) as running:
            commands = Commands(running.paths)
            await commands.until_there()
            code, said = await asyncio.to_thread(set_key, tmp_path, variables)
            assert code == 0
            assert "is in the system keyring (SecretService Keyring)" in said
            assert "The running daemon has a key for zai." in said
            await ask(client, running.url)
            assert await running.stop() == 0
        lock(variables)
        async with daemon_process(tmp_path, **variables) as locked:
            await locked.line_with("The system keyring is locked")
            await ask(client, locked.url)
            assert await locked.stop() == 0
    assert [record.backend for record in locked.records] == ["zai", "anthropic"]
    everything = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert ZAI_KEY.encode() not in everything
    assert ZAI_KEY not in said + running.said + locked.said


def set_key(home: Path, variables: dict[str, str]) -> tuple[int, str]:
    """Pipe the key into `offramp key set`; its exit code and what it said."""
    ended = subprocess.run(
        [*OFFRAMP, "key", "set"],
        input=ZAI_KEY,
        env=environment(home, **variables),
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE_S,
    )
    return ended.returncode, ended.stdout + ended.stderr


async def test_daemon_ends_at_once_while_the_keyring_blocks(tmp_path, monkeypatch):
    keyring = keep_key(tmp_path, monkeypatch)
    keyring.be("blocked")
    async with daemon_process(tmp_path, **keyring.variables) as running:
        await Commands(running.paths).until_there()
        started_s = time.monotonic()
        assert await running.stop() == 0
        assert time.monotonic() - started_s < 15
    keyring.be("")


async def test_damaged_key_file_keeps_no_daemon_from_starting(tmp_path, sim, client):
    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir()
    paths.keys_file.write_text("{")
    write_addresses(tmp_path, sim.anthropic_url, sim.zai_url)
    async with daemon_process(tmp_path) as running:
        assert "keys.json is damaged" in running.said
        await ask(client, running.url)
        assert await running.stop() == 0
    assert [record.backend for record in running.records] == ["anthropic"]


async def test_config_show_asks_no_keyring(tmp_path, monkeypatch):
    keyring = keep_key(tmp_path, monkeypatch)
    keyring.be("blocked")
    ending = await run_command(tmp_path, "config", "show", "--json", **keyring.variables)
    keyring.be("")
    row = json.loads(ending.out)["settings"]["zai_api_key"]
    assert row == {"value": "(offramp key show)", "origin": "keyring"}


async def test_reload_says_what_was_taken_what_waits_and_why_not(tmp_path):
    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir()
    ending = await run_command(tmp_path, "reload")
    assert (ending.code, ending.out) == (1, "")
    assert "is not running" in ending.err
    async with daemon_process(tmp_path) as running:
        await Commands(running.paths).until_there()
        ending = await run_command(tmp_path, "reload")
        assert (ending.code, ending.err) == (0, "")
        assert ending.out == "Settings read again: nothing changed.\n"
        paths.config_file.write_text("port = 0")
        ending = await run_command(tmp_path, "reload")
        assert (ending.code, ending.out) == (3, "")
        assert "the old ones stay" in ending.err
        assert "port = 0" in ending.err
        assert await running.stop() == 0


@pytest.mark.parametrize("is_in_environment", [False, True])
async def test_proxy_in_env_file_is_the_daemons_way_out_unless_the_environment_has_one(
    tmp_path, client, is_in_environment
):
    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(MESSAGE))

    paths = Paths.under(tmp_path)
    paths.config_dir.mkdir()
    write_addresses(tmp_path, "http://upstream.invalid", "http://zai.invalid")
    async with raw_upstream(answer) as upstream:
        port = int(upstream.url.rpartition(":")[2])
        async with http_proxy(("127.0.0.1", port)) as one, http_proxy(("127.0.0.1", port)) as two:
            paths.env_file.write_text(f"HTTP_PROXY={one.url}\n")
            variables = {"http_proxy": two.url} if is_in_environment else {}
            async with daemon_process(tmp_path, **variables) as running:
                async with client.post(running.url + "/v1/messages", data=OPUS) as answered:
                    assert await answered.read() == MESSAGE
                assert await running.stop() == 0
    assert (len(one.heads), len(two.heads)) == ((0, 1) if is_in_environment else (1, 0))
