"""Whether Claude Code's settings still hold the address that `connect` wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from offramp_core.addresses import leads_here
from offramp_core.claude_settings import connection, undo_state
from offramp_core.settings import Settings
from offramp_daemon.trouble.client_watch import ClientWatch

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://localhost:3001"


class Home:
    """Claude Code's settings and Offramp's memory, and a watch of both."""

    def __init__(self, root: Path) -> None:
        self.settings_file = root / "home" / ".claude" / "settings.json"
        self.memory = root / "config" / "claude-code.json"
        self.managed = root / "etc" / "managed-settings.json"
        self.settings = Settings()
        self.environ: dict[str, str] = {}
        self.watch = ClientWatch(
            self.memory,
            lambda: self.settings,
            URL,
            environ=self.environ,
            managed=self.managed,
        )

    def connect(self, file: Path | None = None) -> None:
        plan = connection.plan_connect(
            file or self.settings_file, self.memory, URL, is_own=self.is_own
        )
        connection.apply(plan, self.memory)

    def disconnect(self) -> None:
        plan = connection.plan_disconnect(self.settings_file, self.memory, is_own=self.is_own)
        connection.apply(plan, self.memory)

    def is_own(self, url: str) -> bool:
        return leads_here(url, host="127.0.0.1", port=3001)

    def write(self, url: str | None, file: Path | None = None) -> None:
        env = {} if url is None else {"ANTHROPIC_BASE_URL": url}
        file = file or self.settings_file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"model": "opus", "env": env}))

    def found(self) -> str | None:
        """What a look finds: the address instead, `nothing`, or None where all is well."""
        self.watch.look()
        problem = self.watch.problem
        return None if problem is None else problem.found or "nothing"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_without_connect_nothing_is_claimed(home):
    assert home.found() is None
    home.write("http://other:1")
    assert home.found() is None


def test_connected_client_is_no_problem(home):
    home.connect()
    assert home.found() is None
    assert home.watch.look() is False


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (None, "nothing"),
        ("", "nothing"),
        ("http://gateway.example:8080", "http://gateway.example:8080"),
        ("http://localhost:9999", "http://localhost:9999"),
        ("https://user:pass@gateway.example/v1?k=1", "***@gateway.example/v1?***"),
    ],
)
def test_settings_that_lost_the_address_are_named(home, url, found):
    home.connect()
    home.watch.look()
    home.write(url)
    assert home.watch.look() is True
    problem = home.watch.problem
    assert problem is not None
    assert problem.settings_file == str(home.settings_file)
    assert home.found() == found
    assert home.watch.look() is False


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:3001", "http://[::1]:3001/"])
def test_address_that_leads_here_in_other_words_is_no_problem(home, url):
    home.connect()
    home.write(url)
    assert home.found() is None


def test_name_that_the_user_allowed_is_no_problem(home):
    home.connect()
    home.write("http://box.lan:3001")
    assert home.found() == "http://box.lan:3001"
    home.settings = Settings(allowed_hosts=("Box.lan",))
    assert home.found() is None


def test_file_that_is_gone_is_claimed_only_when_it_stays_gone(home):
    home.connect()
    home.watch.look()
    text = home.settings_file.read_bytes()
    home.settings_file.unlink()
    assert home.found() is None
    home.settings_file.write_bytes(text)
    assert home.found() is None
    home.settings_file.unlink()
    assert home.found() is None
    assert home.found() == "nothing"
    home.settings_file.write_bytes(text)
    assert home.found() is None


def test_address_that_comes_back_ends_the_problem(home):
    home.connect()
    home.write(None)
    assert home.found() == "nothing"
    home.write(URL)
    assert home.watch.look() is True
    assert home.watch.problem is None


def test_disconnect_is_no_problem(home):
    home.connect()
    home.watch.look()
    home.disconnect()
    assert home.found() is None
    home.write("http://other:1")
    assert home.found() is None


def test_disconnect_after_the_address_was_lost_ends_the_problem(home):
    home.connect()
    home.write(None)
    assert home.found() == "nothing"
    home.disconnect()
    assert home.found() is None


@pytest.mark.parametrize(
    "text",
    [b"{", b"// no JSON\n{}", b"\xff", b'{"env": []}', b'{"env": ' + b"[" * 100_000],
)
def test_file_that_says_nothing_is_no_claim(home, text):
    home.connect()
    home.settings_file.write_bytes(text)
    assert home.found() is None


def test_name_that_no_file_can_have_is_no_claim(home):
    home.connect()
    memory = json.loads(home.memory.read_bytes())
    memory["connections"][0]["file"] = "/a\0b/settings.json"
    home.memory.write_text(json.dumps(memory))
    assert home.found() is None
    assert home.found() is None


def test_folder_in_the_place_of_the_file_is_no_claim(home):
    home.connect()
    home.settings_file.unlink()
    home.settings_file.mkdir()
    assert home.found() is None


def test_damaged_memory_is_no_claim(home):
    home.connect()
    home.write(None)
    home.memory.write_bytes(b"{")
    assert home.found() is None


@pytest.mark.parametrize("name", ["managed-settings.json", "managed-settings.d/10-proxy.json"])
def test_address_in_managed_settings_is_no_problem(home, name):
    home.connect()
    home.write(None)
    assert home.found() == "nothing"
    home.write(URL, home.managed.parent / name)
    assert home.found() is None


def test_address_in_the_shared_environment_is_no_problem(home):
    home.connect()
    home.write(None)
    home.environ["ANTHROPIC_BASE_URL"] = URL
    assert home.found() is None


def test_settings_behind_a_link_count(home, tmp_path):
    home.connect()
    real = tmp_path / "dotfiles" / "settings.json"
    real.parent.mkdir()
    home.settings_file.rename(real)
    home.settings_file.symlink_to(real)
    assert home.found() is None
    home.write(None, real)
    assert home.found() == "nothing"


def test_one_of_two_connections_that_is_lost_is_named(home, tmp_path):
    home.connect()
    other = tmp_path / "work" / "settings.json"
    other.parent.mkdir()
    home.connect(other)
    assert home.found() is None
    home.write("http://elsewhere:1", other)
    assert home.found() == "http://elsewhere:1"
    problem = home.watch.problem
    assert problem is not None
    assert problem.settings_file == str(other)


def test_configuration_folder_that_was_deleted_is_no_problem_beside_another(home, tmp_path):
    home.connect()
    other = tmp_path / "work" / "settings.json"
    other.parent.mkdir()
    home.connect(other)
    for each in other.parent.iterdir():
        each.unlink()
    other.parent.rmdir()
    assert home.found() is None
    assert home.found() is None


def test_port_of_old_sockets_is_a_problem(tmp_path):
    home = Home(tmp_path)
    home.connect()
    moved = ClientWatch(
        home.memory,
        lambda: home.settings,
        "http://localhost:4001",
        environ={},
        managed=home.managed,
    )
    assert moved.look() is True
    assert moved.problem is not None
    assert moved.problem.found == URL


def test_memory_written_after_the_start_is_noticed(home):
    home.watch.look()
    home.connect()
    memory = undo_state.recall_all(home.memory)
    assert msgspec.to_builtins(memory)[0]["url"] == URL
    home.write(None)
    assert home.found() == "nothing"
