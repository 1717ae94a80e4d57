"""`offramp key` as a process of its own, and what it never shows."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest
from control_harness import Commands
from daemon_process import OFFRAMP, Ending, daemon_process, environment, free_port, write_config
from keyring_harness import NONE, FakeKeyring
from patience import PATIENCE_S
from proxy_harness import ZAI_KEY

from offramp_cli import exit_codes
from offramp_core.paths import Paths
from offramp_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = ZAI_KEY
OTHER = "fedcba98765432100123456789abcdef.HgFeDcBa87654321"
MASKED = "0f1e2...7Vm2K"
LOGIN = "sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee"


class User:
    """Somebody at a shell, with a home and a keyring of their own."""

    def __init__(self, home: Path, zai_url: str) -> None:
        self.home = home
        self.paths = Paths.under(home)
        self.keyring = FakeKeyring(home)
        self.variables = {**self.keyring.variables, "ZAI_BASE_URL": zai_url}

    def without_keyring(self) -> None:
        self.variables["PYTHON_KEYRING_BACKEND"] = NONE

    async def key(self, *arguments: str, stdin: str = "", **variables: str) -> Ending:
        """Run `offramp key …`; whatever comes of it shows no key."""
        process = await asyncio.create_subprocess_exec(
            *OFFRAMP,
            "key",
            *arguments,
            env=environment(self.home, **self.variables, **variables),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        for secret in (KEY[:12], KEY[-12:], OTHER[:12], OTHER[-12:], LOGIN):
            assert secret not in (out + err).decode()
        assert b"Traceback" not in err
        # That it waits is said on a busy machine only.
        lines = err.decode().splitlines(keepends=True)
        said = "".join(line for line in lines if not line.startswith("Waiting for the system"))
        return Ending(process.returncode, out.decode(), said)

    async def shown(self, **variables: str) -> dict[str, Any]:
        ending = await self.key("show", "--json", **variables)
        assert ending.code == 0
        found: dict[str, Any] = json.loads(ending.out)
        return found


@pytest.fixture
async def user(tmp_path: Path) -> AsyncIterator[User]:
    async with Simulator.start(zai_key=KEY, keep_requests=10) as simulator:
        yield User(tmp_path, simulator.zai_url)
        assert not simulator.leaks


async def test_piped_key_is_checked_and_goes_into_the_keyring(user: User) -> None:
    ending = await user.key("set", stdin=f"{KEY}\n")
    assert (ending.code, ending.err) == (0, "")
    assert "Z.ai accepts this key." in ending.out
    assert f"({MASKED}) is in the system keyring (Test keyring)" in ending.out
    assert "daemon isn't running" in ending.out
    assert user.keyring.keys() == {"zai": KEY}
    (row,) = (await user.shown())["keys"]
    assert (row["backend"], row["key"], row["origin"]) == ("zai", MASKED, "keyring")


async def test_key_goes_into_a_private_file_without_a_keyring(user: User) -> None:
    user.without_keyring()
    ending = await user.key("set", stdin=KEY)
    assert ending.code == 0
    assert str(user.paths.keys_file) in ending.out
    assert "There is no system keyring" in ending.err
    assert user.paths.keys_file.stat().st_mode & 0o777 == 0o600
    ending = await user.key("show")
    assert ending.out == f"zai  {MASKED}  from {user.paths.keys_file}\n"


async def test_place_can_be_chosen(user: User) -> None:
    ending = await user.key("set", "zai", "--file", "--no-check", stdin=KEY)
    assert (ending.code, ending.err, user.keyring.keys()) == (0, "", {})
    user.keyring.be("locked")
    ending = await user.key("set", "zai", "--keyring", "--no-check", stdin=KEY)
    assert ending.code == exit_codes.FAILURE
    assert "offramp: The system keyring is locked" in ending.err
    assert "--file" in ending.err
    assert (await user.shown())["keys"][0]["origin"] == "key file"


async def test_key_that_is_refused_is_not_stored_unless_wished(user: User) -> None:
    ending = await user.key("set", stdin=OTHER)
    assert ending.code == exit_codes.FAILURE
    assert "Z.ai refuses this key" in ending.err
    assert "It was not stored" in ending.err
    assert user.keyring.keys() == {}
    ending = await user.key("set", "--no-check", stdin=OTHER)
    assert ending.code == 0
    assert user.keyring.keys() == {"zai": OTHER}


async def test_key_that_can_not_be_checked_is_stored_and_it_is_said(user: User) -> None:
    user.variables["ZAI_BASE_URL"] = f"http://127.0.0.1:{free_port()}"
    ending = await user.key("set", stdin="short-and-odd")
    assert ending.code == 0
    assert "could not be checked" in ending.err
    assert "does not look like" in ending.err
    assert user.keyring.keys() == {"zai": "short-and-odd"}
    assert (await user.shown())["keys"][0]["key"] == "***"


@pytest.mark.parametrize("text", ["", f"{LOGIN}\n", f"Bearer {KEY}", f"{KEY}\n{KEY}"])
async def test_what_is_no_key_is_refused(user: User, text: str) -> None:
    ending = await user.key("set", stdin=text)
    assert (ending.code, ending.out) == (exit_codes.FAILURE, "")
    assert user.keyring.keys() == {}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["anthropic"], "gets the credentials that Claude Code sends"),
        (["nobody"], "There is no service called 'nobody'"),
        ([KEY], "There is no service called '***'"),
        (["zai", KEY], "More than one argument"),
    ],
)
async def test_argument_that_names_no_backend_with_a_key_is_refused(user, arguments, part) -> None:
    ending = await user.key("set", *arguments, stdin=KEY)
    assert ending.code == exit_codes.WRONG_ARGUMENT
    assert part in ending.err
    assert user.keyring.keys() == {}


async def test_service_without_a_key_is_not_said_to_get_the_login(user: User) -> None:
    user.paths.config_dir.mkdir(parents=True, exist_ok=True)
    user.paths.config_file.write_text("[backend.ollama]\n")
    ending = await user.key("set", "ollama", stdin=KEY)
    assert ending.code == exit_codes.WRONG_ARGUMENT
    assert "ollama gets no key" in ending.err
    assert 'auth = "bearer"' in ending.err
    assert "credentials that Claude Code sends" not in ending.err
    assert user.keyring.keys() == {}


async def test_source_that_wins_is_named(user: User) -> None:
    ending = await user.key("set", stdin=KEY, ZAI_API_KEY=OTHER)
    assert ending.code == 0
    assert "ZAI_API_KEY in the environment also has a key" in ending.err
    shown = await user.shown(ZAI_API_KEY=OTHER)
    assert shown["keys"][0]["origin"] == "environment ZAI_API_KEY"
    assert shown["unused"] == [{"backend": "zai", "where": "the system keyring"}]
    user.paths.env_file.write_text(f"ZAI_API_KEY={OTHER}\n")
    ending = await user.key("set", stdin=KEY)
    assert f"ZAI_API_KEY in {user.paths.env_file} also has" in ending.err


async def test_locked_keyring_is_shown_and_not_prompted(user: User) -> None:
    await user.key("set", stdin=KEY)
    user.keyring.be("locked")
    ending = await user.key("show")
    assert ending.code == 0
    assert "zai  (not there)  from the system keyring" in ending.out
    assert "keyring is locked" in ending.out


async def test_no_key_is_shown_as_none(user: User) -> None:
    assert (await user.key("show")).out == "zai  (none)\n"


async def test_deleted_key_is_gone_and_other_sources_are_named(user: User) -> None:
    await user.key("set", stdin=KEY)
    ending = await user.key("delete", ZAI_API_KEY=OTHER)
    assert ending.code == 0
    assert "deleted from the system keyring" in ending.out
    assert "ZAI_API_KEY in the environment still gives a key" in ending.err
    assert user.keyring.keys() == {}
    ending = await user.key("delete")
    assert (ending.code, ending.out) == (0, "No key for zai was stored.\n")


async def test_delete_of_a_name_without_a_key_says_which_have_one(user: User) -> None:
    ending = await user.key("delete", "nobody")
    assert (ending.code, ending.out) == (exit_codes.WRONG_ARGUMENT, "")
    assert ending.err == "offramp: No key is stored for 'nobody'.\n  No key is stored.\n"
    await user.key("set", stdin=KEY)
    for name, shown in (("zia", "'zia'"), ("", "''"), (KEY, "'***'")):
        ending = await user.key("delete", name)
        assert ending.code == exit_codes.WRONG_ARGUMENT
        assert ending.err == (
            f"offramp: No key is stored for {shown}.\n  Keys are stored for: zai.\n"
        )
    ending = await user.key("delete", "anthropic")
    assert ending.code == exit_codes.WRONG_ARGUMENT
    assert "gets the credentials that Claude Code sends" in ending.err
    assert user.keyring.keys() == {"zai": KEY}


async def test_key_of_a_backend_that_is_gone_can_be_deleted(user: User) -> None:
    user.paths.config_dir.mkdir(exist_ok=True)
    user.paths.config_file.write_text("[backend.third]\nbase_url = 'https://third.example'\n")
    await user.key("set", "third", "--file", "--no-check", stdin=OTHER)
    user.paths.config_file.unlink()
    assert "third  stored in" in (await user.key("show")).out
    ending = await user.key("delete", "third")
    assert "deleted from" in ending.out
    assert not user.paths.keys_file.exists()


async def test_deletion_with_a_locked_keyring_says_what_stays(user: User) -> None:
    await user.key("set", stdin=KEY)
    user.keyring.be("locked")
    ending = await user.key("delete")
    assert ending.code == 0
    assert "may still be in the keyring" in ending.err
    assert (await user.key("show")).out == "zai  (none)\n"


@pytest.mark.skipif(sys.platform != "linux", reason="a terminal is taken over the way Linux does")
async def test_prompt_shows_nothing_of_what_is_typed(user: User) -> None:
    environ = environment(user.home, **user.variables)
    shown = await asyncio.to_thread(type_at_prompt, [*OFFRAMP, "key", "set"], environ, KEY)
    assert "is in the system keyring" in shown
    assert KEY[:12] not in shown
    assert user.keyring.keys() == {"zai": KEY}


def type_at_prompt(command: list[str], environ: dict[str, str], text: str) -> str:
    """Run `command` on a terminal, type `text` at its hidden prompt; all that was shown."""
    ours, theirs = pty.openpty()
    # Opening a terminal makes it the one of a session that has none yet.
    take = "import os, sys; os.open(os.ttyname(0), os.O_RDWR); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", take, *command],
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    with process:
        while b"(not shown)" not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, f"{text}\n".encode())
        try:
            while piece := os.read(ours, 1024):
                shown += piece
        except OSError:
            pass  # Linux's way of saying that the other end was closed
        os.close(ours)
        assert process.wait(PATIENCE_S) == 0
    return shown.decode()


async def test_running_daemon_takes_what_is_set_and_lets_go_what_is_deleted(user: User) -> None:
    write_config(user.home, "http://127.0.0.1:9", user.variables["ZAI_BASE_URL"])
    text = user.paths.config_file.read_text()
    user.paths.config_file.write_text(text.replace(f'key = "{KEY}"', ""))
    async with daemon_process(user.home, **user.keyring.variables) as running:
        commands = Commands(running.paths)
        await commands.until_there()
        ending = await user.key("set", stdin=KEY)
        assert "The running daemon has a key for zai." in ending.out
        ending = await user.key("set", "--file", stdin=KEY)
        assert "The running daemon has a key for zai." in ending.out
        ending = await user.key("delete")
        assert "The running daemon has no key for zai" in ending.out
        assert await running.stop() == 0
    assert KEY not in running.said
    assert KEY not in running.paths.diagnostics_file.read_text()


async def test_settings_that_are_wrong_are_refused_as_everywhere(user: User) -> None:
    user.paths.config_dir.mkdir(exist_ok=True)
    user.paths.config_file.write_text("port = 0")
    ending = await user.key("set", stdin=KEY)
    assert ending.code == exit_codes.SETTINGS_REFUSED


async def test_key_that_is_set_is_told_as_json(user: User) -> None:
    ending = await user.key("set", "--json", stdin=KEY)
    assert (ending.code, ending.err) == (0, "")
    said = json.loads(ending.out)
    assert said["check"] == "accepted"
    assert said["says"][0] == "Z.ai accepts this key."
    assert said["notes"] == []


async def test_key_that_can_not_be_checked_is_told_as_json(user: User) -> None:
    user.without_keyring()
    user.variables["ZAI_BASE_URL"] = f"http://127.0.0.1:{free_port()}"
    ending = await user.key("set", "--json", stdin=KEY)
    said = json.loads(ending.out)
    assert (ending.code, ending.err, said["check"]) == (0, "", "unknown")
    assert "could not be checked" in said["notes"][0]
    assert "Stored in a file" in said["notes"][1]


async def test_key_that_is_refused_is_told_as_json_and_in_words(user: User) -> None:
    ending = await user.key("set", "--json", stdin=OTHER)
    assert ending.code == exit_codes.FAILURE
    assert json.loads(ending.out) == {"check": "refused", "says": [], "notes": []}
    assert ending.err.startswith("offramp: Z.ai refuses this key")
