"""Settings that change while the daemon runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from daemon_process import daemon_process, write_config
from raw_client import OPUS, SONNET
from raw_upstream import (
    END,
    MESSAGE,
    SSE_HEAD,
    START,
    Connection,
    chunk,
    json_answer,
    raw_upstream,
)

from offramp_core.config import loader
from offramp_core.config.loader import ConfigError
from offramp_core.control.api import ReloadAnswer
from offramp_core.paths import Paths
from offramp_daemon.config.live_settings import LiveSettings

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Edited:
    """Settings that come from files in a folder of the test's own."""

    paths: Paths
    said: list[str] = field(default_factory=list)

    def start(self) -> LiveSettings:
        self.paths.config_dir.mkdir(parents=True, exist_ok=True)
        return LiveSettings(
            lambda held: loader.load(self.paths, held),
            lambda: loader.fingerprint(self.paths),
            self.said.append,
        )

    def write(self, text: str) -> None:
        self.paths.config_dir.mkdir(parents=True, exist_ok=True)
        _replace(self.paths.config_file, text)

    def write_env(self, text: str) -> None:
        _replace(self.paths.env_file, text)


def _replace(file: Path, text: str) -> None:
    """Give `file` another content and another inode, as editors do."""
    other = file.with_suffix(".new")
    other.write_text(text, encoding="utf-8")
    other.replace(file)


@pytest.fixture
def edited(tmp_path: Path) -> Edited:
    return Edited(Paths.under(tmp_path))


def test_reload_answers_what_changed_what_waits_and_why_not(edited: Edited) -> None:
    edited.write("silence_timeout_s = 5.0")
    live = edited.start()
    assert live.reload() == ReloadAnswer()
    edited.write("silence_timeout_s = 6.0\nport = 4000")
    answer = live.reload()
    assert (answer.changed, answer.after_restart) == (("silence_timeout_s",), ("port",))
    edited.write("silence_timeout_s = 0")
    problem = live.reload().problem
    assert problem is not None
    assert "silence_timeout_s" in problem
    assert live.current.silence_timeout_s == 6.0


def test_unchanged_files_are_not_read_again(edited: Edited) -> None:
    edited.write("silence_timeout_s = 5.0")
    live = edited.start()
    before = live.current
    live.refresh()
    assert live.current is before
    assert edited.said == []


def test_edit_is_taken_and_said(edited: Edited) -> None:
    live = edited.start()
    before = live.current
    edited.write("silence_timeout_s = 5.0\nmax_body_bytes = 2048")
    live.refresh()
    assert (live.current.silence_timeout_s, live.current.max_body_bytes) == (5.0, 2048)
    assert before.silence_timeout_s == 600.0  # what a request under way goes on with
    assert edited.said == ["Settings taken: max_body_bytes, silence_timeout_s."]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('silence_timeout_s = "soon"', ["silence_timeout_s", "soon"]),
        ("port = 70000", ["port", "70000"]),
        ("prot = 3001", ["prot"]),
        ("port = ", ["line 1"]),
    ],
)
def test_bad_edit_keeps_the_old_settings_and_says_what_is_wrong(
    edited: Edited, text: str, parts: list[str]
) -> None:
    edited.write("silence_timeout_s = 5.0")
    live = edited.start()
    before = live.current
    edited.write(text)
    live.refresh()
    live.refresh()
    assert live.current is before
    assert len(edited.said) == 1  # once, not every two seconds
    for part in ["the old ones stay", str(edited.paths.config_file), *parts]:
        assert part in edited.said[0]


def test_bad_edit_that_is_mended_is_taken(edited: Edited) -> None:
    live = edited.start()
    edited.write("port = 70000")
    live.refresh()
    edited.write("silence_timeout_s = 5.0")
    live.refresh()
    assert live.current.silence_timeout_s == 5.0


@pytest.mark.parametrize(
    "text",
    [
        "port = 3999",
        'host = "::1"',
        'log_dir = "/elsewhere"',
        'machine = "laptop"',
        "metrics = true",
        'log_format = "json"',
    ],
)
def test_what_needs_a_restart_is_said(edited: Edited, text: str) -> None:
    live = edited.start()
    edited.write(text)
    live.refresh()
    assert edited.said == [f"Waiting for a restart: {text.split()[0]}."]


def test_removed_file_brings_the_defaults_back(edited: Edited) -> None:
    edited.write("silence_timeout_s = 5.0")
    live = edited.start()
    edited.paths.config_file.unlink()
    live.refresh()
    assert live.current.silence_timeout_s == 600.0


def test_change_that_changes_nothing_is_said_as_that(edited: Edited) -> None:
    edited.write("silence_timeout_s = 5.0")
    live = edited.start()
    edited.write("# a remark\nsilence_timeout_s = 5.0")
    live.refresh()
    assert edited.said == ["Settings read again: nothing changed."]


def test_key_in_env_file_is_taken_and_not_shown(edited: Edited) -> None:
    live = edited.start()
    assert live.current.backend("zai").key is None
    assert any("zai" in note for note in live.notes)
    edited.write_env("ZAI_API_KEY=0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K\n")
    live.refresh()
    key = live.current.backend("zai").key
    assert key is not None
    assert key.reveal().endswith("Vm2K")
    assert edited.said == ["Settings taken: backends."]


def test_new_note_is_said_once(edited: Edited) -> None:
    edited.write('zai_api_key = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"')
    live = edited.start()
    edited.write("silence_timeout_s = 5.0")
    live.refresh()
    assert len([text for text in edited.said if "zai" in text]) == 1
    edited.write("silence_timeout_s = 6.0")
    live.refresh()
    assert len([text for text in edited.said if "zai" in text]) == 1


def test_wrong_settings_from_the_start_are_refused(edited: Edited) -> None:
    edited.write("port = 70000")
    with pytest.raises(ConfigError):
        edited.start()


async def test_running_daemon_goes_by_its_edited_file(tmp_path, client):
    """Edits, a bad one and a removal, with a stream in flight that none of them touches."""
    go_on = asyncio.Event()

    async def first(connection: Connection) -> None:
        await connection.write(SSE_HEAD + chunk(START))
        await go_on.wait()
        await connection.write(chunk(END) + b"0\r\n\r\n")

    async def second(connection: Connection) -> None:
        await connection.write(json_answer(MESSAGE))

    async with (
        raw_upstream(first) as one,
        raw_upstream(second) as two,
        raw_upstream(second) as zai,
    ):
        file = write_config(tmp_path, one.url, zai.url)
        async with daemon_process(tmp_path) as running:
            messages = running.url + "/v1/messages"
            async with client.post(messages, data=OPUS) as streamed:
                assert await streamed.content.readany() == START

                write_config(tmp_path, two.url, zai.url, top="drain_timeout_s = 5")
                await running.line_with("Settings taken: drain_timeout_s, backends.")
                async with client.post(messages, data=OPUS) as answered:
                    assert await answered.read() == MESSAGE
                assert (len(one.heads), len(two.heads)) == (1, 1)

                _replace(file, file.read_text() + "\nwrong = 1\n")
                line = await running.line_with("the old ones stay")
                assert str(file) in line
                assert "wrong" in line
                async with client.post(messages, data=SONNET) as answered:
                    assert await answered.read() == MESSAGE
                assert len(zai.heads) == 1

                _replace(
                    file, f'log_format = "json"\n[backend.anthropic]\nbase_url = "{two.url}"\n'
                )
                assert "Waiting for a restart: log_format" in await running.line_with(
                    "Settings taken"
                )
                async with client.post(messages, data=SONNET) as answered:
                    assert await answered.read() == MESSAGE
                assert len(two.heads) == 2  # no key any more, so it stays on Anthropic

                go_on.set()
                assert await streamed.content.read() == END
            assert await running.stop() == 0
    assert "Traceback" not in running.said
    assert {record.status for record in running.records} == {"success"}


async def test_running_daemon_goes_on_without_its_file_and_takes_a_new_env_file(tmp_path):
    file = write_config(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:9")
    async with daemon_process(tmp_path) as running:
        file.unlink()
        assert "backends" in await running.line_with("Settings taken")
        await running.line_with("zai")  # the note that its key is missing
        (file.parent / ".env").write_text("ZAI_API_KEY=0123456789abcdef0123456789abcdef.x1y2z3w4\n")
        await running.line_with("Settings taken: backends.")
        assert await running.stop() == 0
    assert "x1y2z3w4" not in running.said


async def test_log_level_changes_without_a_restart(tmp_path, client):
    async def answer(connection: Connection) -> None:
        await connection.write(json_answer(MESSAGE))

    async with raw_upstream(answer) as upstream:
        write_config(tmp_path, upstream.url, upstream.url, top='log_level = "error"')
        async with daemon_process(tmp_path) as running:
            async with client.get(running.url + "/before") as answered:
                await answered.read()
            write_config(tmp_path, upstream.url, upstream.url, top='log_level = "info"')
            assert "restart" not in await running.line_with("Settings taken: log_level")
            async with client.get(running.url + "/after") as answered:
                await answered.read()
            assert await running.stop() == 0
    assert running.paths.diagnostics_file.read_text().count("passed") == 1


def test_edit_can_not_open_a_daemon_that_others_reach(edited: Edited) -> None:
    edited.write('host = "0.0.0.0"\nclient_token = "a-long-enough-client-token"')
    live = edited.start()
    edited.write("")
    live.refresh()
    assert live.current.client_token is not None
    assert live.current.host == "0.0.0.0"
    assert "the old ones stay" in edited.said[0]


def test_edit_of_the_port_keeps_the_one_that_is_open_in_force(edited: Edited) -> None:
    edited.write('anthropic_base_url = "http://localhost:3001"')
    live = edited.start()
    edited.write('anthropic_base_url = "http://localhost:3001"\nport = 3002')
    live.refresh()
    assert live.current.port == 3001
    assert live.current.backend("anthropic").base_url == "https://api.anthropic.com"
    assert edited.said == ["Waiting for a restart: port."]


def activated(edited: Edited, host: str = "127.0.0.1", port: int = 3001) -> LiveSettings:
    """With sockets that somebody else opened."""
    edited.paths.config_dir.mkdir(parents=True, exist_ok=True)
    return LiveSettings(
        lambda held: loader.load(edited.paths, held),
        lambda: loader.fingerprint(edited.paths),
        edited.said.append,
        address=(host, port),
    )


def test_wrong_settings_leave_the_defaults_in_force_where_sockets_are_open(tmp_path):
    edited = Edited(Paths.under(tmp_path))
    edited.write("port = 70000\nclient_token = 'a-token-of-some-length-0123456789'\n")
    live = activated(edited, port=4004)
    assert live.is_fallback
    assert "70000" in (live.problem or "")
    assert (live.current.host, live.current.port) == ("127.0.0.1", 4004)
    assert [backend.key for backend in live.current.backends] == [None, None]
    edited.write("log_level = 'noisy'\n")
    live.refresh()
    assert live.is_fallback
    assert "noisy" in (live.problem or "")
    edited.write("port = 4004\nlog_level = 'debug'\n")
    live.refresh()
    assert not live.is_fallback
    assert (live.problem, live.current.log_level) == (None, "debug")
    assert "Settings taken: log_level." in edited.said


def test_bad_edit_is_a_problem_until_it_is_mended(tmp_path):
    edited = Edited(Paths.under(tmp_path))
    edited.write("log_level = 'debug'\n")
    live = edited.start()
    assert live.problem is None
    edited.write("log_level = 'noisy'\n")
    live.refresh()
    assert "noisy" in (live.problem or "")
    assert (live.is_fallback, live.current.log_level) == (False, "debug")
    edited.write("log_level = 'warn'\n")
    live.refresh()
    assert live.problem is None


def test_settings_of_another_address_are_pointed_out_and_change_nothing(tmp_path):
    edited = Edited(Paths.under(tmp_path))
    edited.write("port = 3005\n")
    live = activated(edited, port=3001)
    assert live.current.port == 3001
    (note,) = [note for note in live.notes if "offramp install" in note]
    assert "port 3005" in note
    assert "port 3001" in note
    edited.write("port = 3001\nhost = 'localhost'\n")
    live.refresh()
    assert not [note for note in live.notes if "offramp install" in note]
    edited.write("port = 3006\n")
    live.refresh()
    assert "port 3006" in edited.said[-1]
    assert "restart" not in " ".join(edited.said)


def test_socket_that_others_can_reach_wants_a_token_whatever_the_file_says_of_hosts(tmp_path):
    edited = Edited(Paths.under(tmp_path))
    edited.write("host = '127.0.0.1'\n")
    assert activated(edited, host="0.0.0.0").is_fallback
    edited.write("host = '127.0.0.1'\nclient_token = 'a-token-of-some-length-0123456789'\n")
    live = activated(edited, host="0.0.0.0")
    assert not live.is_fallback
    assert live.current.client_token is not None


def test_change_that_waits_is_told_each_time_until_it_is_taken_back(edited: Edited) -> None:
    live = edited.start()
    edited.write("port = 3009")
    live.refresh()
    assert live.after_restart == ("port",)
    assert live.reload() == ReloadAnswer(after_restart=("port",))
    edited.write("silence_timeout_s = 5.0\nport = 3009")
    assert live.reload() == ReloadAnswer(changed=("silence_timeout_s",), after_restart=("port",))
    said = len(edited.said)
    edited.write("silence_timeout_s = 5.0")
    live.refresh()
    assert live.after_restart == ()
    assert edited.said[said:] == ["Settings read again: nothing changed."]
    assert live.reload() == ReloadAnswer()


def test_refusal_is_said_once_however_often_it_is_asked_for(edited: Edited) -> None:
    live = edited.start()
    edited.write("port = 70000")
    live.refresh()
    first = live.reload().problem
    assert first == live.reload().problem
    assert len(edited.said) == 1
    edited.write("port = 70001")
    live.refresh()
    assert len(edited.said) == 2
