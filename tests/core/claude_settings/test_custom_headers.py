"""The client token among Claude Code's headers: written, renewed, and taken out exactly."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import unhurried

from offramp_core.addresses import leads_here
from offramp_core.claude_settings import custom_headers
from offramp_core.claude_settings.connection import (
    ConnectOutcome,
    SettingsEdit,
    apply,
    plan_connect,
    plan_disconnect,
)
from offramp_core.claude_settings.custom_headers import HEADERS
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.claude_settings.masked_diff import unified
from offramp_core.claude_settings.warnings import of_leftover_token, of_token
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://localhost:3001"
TOKEN = Secret("first-token-of-a-user-1")
NEXT = Secret("second-token-of-a-user-2")
LINE = f"x-offramp-token: {TOKEN.reveal()}"
NEXT_LINE = f"x-offramp-token: {NEXT.reveal()}"


def is_own(url: str) -> bool:
    return leads_here(url, host="127.0.0.1", port=3001)


class Claude:
    """One settings file, and our memory of it."""

    def __init__(self, root: Path, text: str | None) -> None:
        self.file = root / "settings.json"
        self.memory = root / "memory" / "claude-code.json"
        if text is not None:
            self.file.write_bytes(text.encode())
            self.file.chmod(0o644)

    @property
    def text(self) -> str:
        return self.file.read_bytes().decode()

    @property
    def headers(self) -> str | None:
        return json.loads(self.text).get("env", {}).get(HEADERS)

    @property
    def mode(self) -> int:
        return stat.S_IMODE(self.file.stat().st_mode)

    def connect(self, token: Secret | None = TOKEN, *, force: bool = False) -> SettingsEdit:
        change = plan_connect(self.file, self.memory, URL, is_own=is_own, force=force, token=token)
        if change.outcome is not ConnectOutcome.FOREIGN:
            apply(change, self.memory)
        return change

    def disconnect(self) -> SettingsEdit:
        change = plan_disconnect(self.file, self.memory, is_own=is_own)
        apply(change, self.memory)
        return change


def settings(headers: str, *, more: str = "") -> str:
    return f'{{\n  "env": {{\n    "{HEADERS}": {headers}{more}\n  }}\n}}\n'


TEXTS = [
    None,
    "",
    "{}\n",
    '{"a":1}',
    '{\n  "env": {}\n}\n',
    '{\n  "env": {\n    "A": "1"\n  }\n}\n',
    settings('"a: b"'),
    settings('"a: b\\nC:d"', more=',\n    "Z": "1"'),
    settings('"a: b\\r\\nc: d\\n"'),
    settings('"\\u0061: b"'),
    settings('"X-Offramp-Token: an-older-token-of-24-chars"'),
    settings('"a: b\\nx-offramp-token:older\\nc: d"'),
    settings('""'),
    settings("17"),
    settings("null"),
    settings("true"),
    settings('["a: b"]'),
    f'{{"env": {{"{HEADERS}": "a: b", "{HEADERS}": "c: d"}}}}',
    '\ufeff{\r\n\t"env": {\r\n\t\t"A": "1"\r\n\t}\r\n}\r\n',
]


@pytest.mark.parametrize("text", TEXTS)
def test_connect_then_disconnect_gives_the_same_bytes(tmp_path, text):
    claude = Claude(tmp_path, text)
    change = claude.connect()
    assert change.outcome is ConnectOutcome.CONNECTED
    assert change.sends_token
    value = json.loads(claude.text.removeprefix("\ufeff"))["env"][HEADERS]
    assert custom_headers.sends(value, TOKEN)
    assert value.lower().count("x-offramp-token") == 1
    assert claude.mode == 0o600
    assert claude.disconnect().drops_token
    assert (claude.text if claude.file.exists() else None) == text


@pytest.mark.parametrize("text", TEXTS)
def test_token_that_changed_or_was_dropped_is_followed(tmp_path, text):
    claude = Claude(tmp_path, text)
    claude.connect()
    for token in (NEXT, TOKEN, NEXT):
        change = claude.connect(token)
        assert change.outcome is ConnectOutcome.CONNECTED
        value = json.loads(claude.text.removeprefix("\ufeff"))["env"][HEADERS]
        assert custom_headers.sends(value, token)
        assert value.count("x-offramp-token") == 1
    assert claude.connect(NEXT).outcome is ConnectOutcome.ALREADY_CONNECTED
    assert claude.connect(None).drops_token
    assert claude.connect(None).outcome is ConnectOutcome.ALREADY_CONNECTED
    claude.connect()
    claude.disconnect()
    assert (claude.text if claude.file.exists() else None) == text


def test_lines_of_others_are_kept_and_stand_before_ours(tmp_path):
    claude = Claude(tmp_path, settings('"a: b\\nC: d:e"'))
    claude.connect()
    assert claude.headers == f"a: b\nC: d:e\n{LINE}"
    claude.connect(NEXT)
    assert claude.headers == f"a: b\nC: d:e\n{NEXT_LINE}"


def test_lines_that_were_added_since_stay(tmp_path):
    claude = Claude(tmp_path, settings('"a: b"'))
    claude.connect()
    claude.file.write_text(claude.text.replace(LINE, f"{LINE}\\nnew: line"))
    claude.disconnect()
    assert claude.headers == "a: b\nnew: line"


def test_line_that_was_added_to_a_variable_of_ours_stays(tmp_path):
    claude = Claude(tmp_path, "{}")
    claude.connect()
    claude.file.write_text(claude.text.replace(LINE, f"new: line\\n{LINE}"))
    claude.disconnect()
    assert json.loads(claude.text) == {"env": {HEADERS: "new: line"}}


@pytest.mark.parametrize("now", ['"a: b"', "17", None])
def test_variable_that_somebody_changed_since_is_left(tmp_path, now):
    claude = Claude(tmp_path, "{}")
    claude.connect()
    members = {"ANTHROPIC_BASE_URL": URL, "B": "1"}
    if now is not None:
        members[HEADERS] = json.loads(now)
    claude.file.write_text(json.dumps({"env": members}))
    claude.disconnect()
    del members["ANTHROPIC_BASE_URL"]
    assert json.loads(claude.text) == {"env": members}


def test_token_goes_though_the_address_is_anothers_by_now(tmp_path):
    """Whoever has the address would get the token."""
    claude = Claude(tmp_path, "{}")
    claude.connect()
    claude.file.write_text(claude.text.replace(URL, "https://gateway.example"))
    change = claude.disconnect()
    assert change.outcome is ConnectOutcome.CHANGED_MEANWHILE
    assert change.drops_token
    assert json.loads(claude.text) == {"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}


def test_token_goes_though_somebody_took_the_address_out(tmp_path):
    claude = Claude(tmp_path, "{}")
    claude.connect()
    claude.file.write_text(json.dumps({"env": {HEADERS: LINE, "A": "1"}}))
    assert claude.disconnect().outcome is ConnectOutcome.NOT_CONNECTED
    assert json.loads(claude.text) == {"env": {"A": "1"}}


def test_foreign_address_gets_no_token(tmp_path):
    text = '{"env": {"ANTHROPIC_BASE_URL": "https://gateway.example"}}'
    claude = Claude(tmp_path, text)
    assert claude.connect().outcome is ConnectOutcome.FOREIGN
    assert claude.text == text
    claude.connect(force=True)
    assert claude.headers == LINE
    claude.disconnect()
    assert claude.text == text


def test_address_that_was_written_by_hand_gets_the_token(tmp_path):
    claude = Claude(tmp_path, json.dumps({"env": {"ANTHROPIC_BASE_URL": URL}}))
    assert claude.connect().outcome is ConnectOutcome.CONNECTED
    assert claude.headers == LINE
    claude.disconnect()
    assert json.loads(claude.text) == {"env": {}}


def test_line_that_was_written_by_hand_and_is_right_stays_the_users(tmp_path):
    claude = Claude(tmp_path, settings(json.dumps(LINE)))
    claude.connect()
    claude.disconnect()
    assert claude.text == settings(json.dumps(LINE))


def test_memory_holds_no_token(tmp_path):
    claude = Claude(tmp_path, "{}")
    claude.connect()
    claude.connect(NEXT)
    for token in (TOKEN, NEXT):
        assert token.reveal() not in claude.memory.read_text()


def test_file_without_token_keeps_its_mode(tmp_path):
    claude = Claude(tmp_path, "{}")
    claude.connect(None)
    assert claude.mode == 0o644


def test_difference_shows_headers_names_and_no_value(tmp_path):
    text = settings('"Authorization: Basic c2VjcmV0\\nodd line"')
    claude = Claude(tmp_path, text)
    change = claude.connect()
    shown = unified(change.file, change.before, change.after)
    assert TOKEN.reveal() not in shown
    assert "c2VjcmV0" not in shown
    assert "odd line" not in shown
    assert r"Authorization: ***\n***\nx-offramp-token: ***" in shown


def places(tmp_path) -> SettingsLocations:
    managed = tmp_path / "managed" / "managed-settings.json"
    return SettingsLocations.for_user({}, home=tmp_path, folder=tmp_path / "p", managed=managed)


def test_headers_of_stronger_settings_without_the_token_are_warned_of(tmp_path):
    found = places(tmp_path)
    found.managed.parent.mkdir()
    for value, is_warned in (("a: b", True), (f"a: b\n{LINE}", False), (NEXT_LINE, True)):
        found.managed.write_text(json.dumps({"env": {HEADERS: value}}))
        warned = of_token(found, {}, TOKEN)
        assert bool(warned) is is_warned
        assert not any(TOKEN.reveal() in each for each in warned)


def test_headers_of_the_shell_that_are_outdone_are_warned_of(tmp_path):
    (warned,) = of_token(places(tmp_path), {HEADERS: "a: hunter2"}, TOKEN)
    assert "environment" in warned
    assert "hunter2" not in warned


def test_token_that_is_still_sent_after_leaving_is_warned_of(tmp_path):
    text = json.dumps({"env": {HEADERS: f"a: b\nX-OFFRAMP-TOKEN : {TOKEN.reveal()}"}})
    (warned,) = of_leftover_token(places(tmp_path), text, {})
    assert "settings.json" in warned
    assert TOKEN.reveal() not in warned
    assert of_leftover_token(places(tmp_path), "{}", {HEADERS: "a: b"}) == []
    assert len(of_leftover_token(places(tmp_path), "", {HEADERS: LINE})) == 1


@unhurried
@given(st.text(max_size=60))
def test_any_value_is_merged_and_comes_back(value):
    text = json.dumps({"env": {HEADERS: value}})
    edit = custom_headers.add(text, TOKEN, None)
    assert custom_headers.sends(json.loads(edit.text)["env"][HEADERS], TOKEN)
    if edit.line is not None:
        assert custom_headers.remove(edit.text, edit.line) == text
