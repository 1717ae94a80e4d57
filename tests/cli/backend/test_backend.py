"""`offramp backend` as a process of its own, what it writes, and what it never shows."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from daemon_process import OFFRAMP, Ending, daemon_process, environment, read_records
from keyring_harness import NONE
from patience import PATIENCE_S
from preset_harness import KEY
from proxy_harness import CLAUDE_TOKEN

from offramp_cli import exit_codes
from offramp_core.paths import Paths
from offramp_core.services import PRESETS
from offramp_core.services.service import ASPECTS
from offramp_simulator import Simulator
from offramp_simulator.preset.rules import PRESETS as RULES
from offramp_simulator.preset.service import PresetService, running

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "pk-another-0123456789abcdef01234567"


class User:
    """Somebody at a shell, with a home of their own and no keyring."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.paths = Paths.under(home)
        self.variables = {"PYTHON_KEYRING_BACKEND": NONE}

    async def backend(self, *arguments: str, stdin: str = "") -> Ending:
        process = await asyncio.create_subprocess_exec(
            *OFFRAMP,
            "backend",
            *arguments,
            env=environment(self.home, **self.variables),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        for secret in (KEY, OTHER):
            assert secret not in (out + err).decode()
        assert b"Traceback" not in err
        return Ending(process.returncode, out.decode(), err.decode())

    async def listed(self) -> dict[str, dict[str, Any]]:
        ending = await self.backend("list", "--json")
        assert ending.code == 0
        return {each["name"]: each for each in json.loads(ending.out)["backends"]}

    def config(self) -> str:
        file = self.paths.config_file
        return file.read_text() if file.exists() else ""

    def write(self, text: str) -> None:
        self.paths.config_file.parent.mkdir(parents=True, exist_ok=True)
        self.paths.config_file.write_text(text)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


async def test_list_names_every_preset_with_what_is_known_of_it(user: User) -> None:
    found = await user.listed()
    assert list(found) == ["zai", *(service.name for service in PRESETS)]
    assert found["zai"]["routes"] == ["sonnet", "haiku"]
    assert (found["zai"]["key"], found["zai"]["is_set_up"]) == ("missing", True)
    assert (found["ollama"]["key"], found["ollama"]["auth"]) == ("not needed", "none")
    for service in PRESETS:
        facts = {fact["about"]: fact for fact in found[service.name]["facts"]}
        assert set(facts) == set(ASPECTS)
        for fact in facts.values():
            assert fact["is_known"] == bool(fact["source"]) == bool(fact["read"])
    text = (await user.backend("list")).out
    assert "zai" in text.partition("Can be added")[0]
    assert "kimi" in text.partition("Can be added")[2]


async def test_added_service_is_in_the_settings_with_its_key(user: User) -> None:
    user.write("port = 3002  # mine\n")
    ending = await user.backend("add", "minimax", "--no-check", stdin=f"{KEY}\n")
    assert ending.code == 0
    assert user.config() == (
        'port = 3002  # mine\n\n[backend.minimax]\nbase_url = "https://api.minimax.io/anthropic"\n'
    )
    assert 'send_model = "MiniMax-M3"' in ending.out
    found = (await user.listed())["minimax"]
    assert (found["is_set_up"], found["key"], found["routes"]) == (True, "present", [])


async def test_key_is_checked_at_the_service_and_a_refused_one_changes_nothing(user: User) -> None:
    async with Simulator.start() as sim:
        service = PresetService(sim.journal, RULES["deepseek"], key=KEY)
        async with running(service) as url:
            ending = await user.backend("add", "deepseek", "--url", url, stdin=OTHER)
            assert ending.code == exit_codes.FAILURE
            assert "refuses this key" in ending.err
            assert (user.config(), user.paths.keys_file.exists()) == ("", False)
            ending = await user.backend("add", "deepseek", "--url", url, "--json", stdin=KEY)
        asked = [each.path_only for each in sim.requests]
    assert (ending.code, json.loads(ending.out)["check"]) == (0, "accepted")
    assert asked == ["/anthropic/v1/messages/count_tokens"] * 2
    assert f'[backend.deepseek]\nbase_url = "{url}"' in user.config()


@pytest.mark.parametrize("name", ["lmstudio", "ollama", "llamacpp"])
async def test_local_server_is_asked_for_no_key(user: User, name: str) -> None:
    ending = await user.backend("add", name)
    assert (ending.code, ending.err) == (0, "")
    assert f"[backend.{name}]" in user.config()
    assert (await user.listed())[name]["key"] == "not needed"
    assert not user.paths.keys_file.exists()


async def test_service_that_is_in_no_list_is_added_by_its_address(user: User) -> None:
    url = "http://127.0.0.1:9999/v"
    ending = await user.backend("add", "mine", "--url", f"{url}/", "--auth", "none")
    assert ending.code == 0
    assert user.config() == f'[backend.mine]\nbase_url = "{url}"\nauth = "none"\n'
    assert (await user.backend("remove", "mine")).code == 0
    assert user.config() == ""


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("add", "kimmi"), exit_codes.FAILURE, "Did you mean kimi?"),
        (("add", "zai"), exit_codes.FAILURE, "set up already"),
        (("add", "anthropic"), exit_codes.FAILURE, "set up already"),
        (("add", "A.b", "--url", "https://a.example"), exit_codes.FAILURE, "not a valid name"),
        (("add", "mine", "--url", "ftp://a.example"), exit_codes.FAILURE, "ftp://a.example"),
        (
            ("add", "mine", "--no-key", "--url", "http://llm.example.com"),
            exit_codes.SETTINGS_REFUSED,
            "unencrypted",
        ),
        (("add", "kimi"), exit_codes.FAILURE, "offramp backend add kimi < FILE"),
        (("add", "kimi", "--auth", "client"), 2, "client"),
        (("remove", "zai"), exit_codes.FAILURE, "is built in"),
        (("remove", "kimi"), exit_codes.FAILURE, "not set up"),
    ],
)
async def test_what_can_not_be_done_is_said_and_changes_nothing(
    user: User, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ending = await user.backend(*arguments)
    assert (ending.code, ending.out) == (code, "")
    assert says in ending.err
    assert user.config() == ""


USED = """\
failover = ["kimi", "anthropic"]

[backend.kimi]

[backend.mine]
base_url = "https://llm.example.com"

[[route]]
match = "haiku"
backend = "mine"
"""


@pytest.mark.parametrize(("name", "use"), [("kimi", "failover"), ("mine", "the route for haiku")])
async def test_service_that_is_in_use_stays(user: User, name: str, use: str) -> None:
    user.write(USED)
    ending = await user.backend("remove", name)
    assert ending.code == exit_codes.FAILURE
    assert f"{name} is in use: {use}." in ending.err
    assert user.config() == USED
    assert (await user.listed())[name]["can_be_removed"] is False


async def test_running_daemon_delegates_to_a_service_that_was_added(user: User) -> None:
    async with Simulator.start() as sim:
        service = PresetService(sim.journal, RULES["ollama"])
        async with running(service) as url:
            user.write(f'anthropic_base_url = "{sim.anthropic_url}"\n')
            async with daemon_process(user.home) as daemon:
                assert (await user.backend("add", "ollama", "--url", url)).code == 0
                route = '\n[[route]]\nmatch = "haiku"\nbackend = "ollama"\nsend_model = "m"\n'
                user.write(user.config() + route)
                ending = await user.backend("add", "llamacpp")  # has the daemon read its settings
                assert ending.code == 0
                body = {
                    "model": "claude-haiku-5-5",
                    "max_tokens": 100,
                    "messages": [{"role": "user", "content": "Hello"}],
                }
                login = {"Authorization": f"Bearer {CLAUDE_TOKEN}", "Cookie": "a=b"}
                async with (
                    aiohttp.ClientSession(headers=login) as client,
                    client.post(f"{daemon.url}/v1/messages", json=body) as answer,
                ):
                    assert answer.status == 200
                assert await daemon.stop() == 0
        assert [each.service for each in sim.requests] == ["ollama"]
        assert sim.leaks == []
    (record,) = read_records(user.paths.log_dir)
    assert (record.backend, record.served_model) == ("ollama", "m")
