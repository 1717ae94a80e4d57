"""What each of Claude Code's settings sets, which wins, and what leads past a base URL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from offramp_core.claude_settings import bypasses, scopes, warnings
from offramp_core.claude_settings.locations import SettingsLocations

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://localhost:3001"
PROXY = "http://me:c0rp-passw0rd@proxy.example:8080"


class Claude:
    """Claude Code's files, below one folder."""

    def __init__(self, root: Path) -> None:
        home, folder = root / "home", root / "project"
        self.places = SettingsLocations.for_user(
            {}, home=home, folder=folder, managed=root / "etc" / "managed-settings.json"
        )

    def write(self, path: Path, **settings: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))

    def read(self, **environ: str) -> tuple[scopes.Scope, ...]:
        return scopes.read(self.places, environ)


@pytest.fixture
def claude(tmp_path: Path) -> Claude:
    return Claude(tmp_path)


def test_each_scope_wins_over_the_next(claude):
    places = claude.places
    drop_in = places.managed.parent / "managed-settings.d" / "10-own.json"
    later = places.managed.parent / "managed-settings.d" / "20-own.json"
    weakest_first = [places.user, places.project, places.local, places.managed, drop_in, later]
    for number, path in enumerate(weakest_first):
        claude.write(path, env={"A": str(number)})
        found = scopes.in_force(claude.read(A="shell"), "A")
        assert found is not None
        assert (found.value, found.scope.path) == (str(number), path)
    values = [each.value for each in scopes.variables(claude.read(A="shell"), "A")]
    assert values == ["5", "4", "3", "2", "1", "0", "shell"]


def test_shell_holds_where_no_file_sets_it(claude):
    claude.write(claude.places.user, env={"B": "  "}, model="opus", verbose=True, odd=[1])
    read = claude.read(B="shell")
    found = scopes.in_force(read, "B")
    assert found is not None
    assert found.scope.shown == "This shell's environment"
    assert scopes.in_force(read, "C") is None
    assert [each.value for each in scopes.settings(read, "model")] == ["opus"]
    assert [each.value for each in scopes.settings(read, "verbose")] == ["true"]
    assert not [*scopes.settings(read, "odd")]


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1]", b'"x"', b"null", b'{"env": 3}'])
def test_file_that_says_nothing_is_passed_over(claude, text):
    claude.places.user.parent.mkdir(parents=True)
    claude.places.user.write_bytes(text)
    assert scopes.in_force(claude.read(A="1"), "A") is not None


def test_file_with_a_comment_sets_nothing_and_says_why(claude):
    claude.places.user.parent.mkdir(parents=True)
    claude.places.user.write_text('{\n  // mine\n  "env": {"A": "1"}\n}')
    read = claude.read()
    assert scopes.in_force(read, "A") is None
    assert "line 2, column 3: there is a comment" in read[0].problem


def test_values_are_in_no_repr(claude):
    claude.write(claude.places.user, env={"KEY": "hunter2"}, apiKeyHelper="hunter2")
    read = claude.read(KEY="hunter2")
    assert "hunter2" not in repr(read)
    assert "hunter2" not in repr(scopes.in_force(read, "KEY"))


@pytest.mark.parametrize("variable", bypasses.PROVIDERS)
@pytest.mark.parametrize(("value", "counts"), [("1", 1), ("true", 1), ("0", 0), ("false", 0)])
def test_other_provider_leads_past_the_base_url(claude, variable, value, counts):
    claude.write(claude.places.project, env={variable: value})
    found = [*bypasses.find(claude.read(), URL)]
    assert len(found) == counts
    assert all(variable in each.saw and str(claude.places.project) in each.saw for each in found)


@pytest.mark.parametrize(
    ("environ", "counts"),
    [
        ({"HTTPS_PROXY": PROXY}, 1),
        ({"http_proxy": PROXY}, 1),
        ({"ALL_PROXY": PROXY}, 0),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost"}, 0),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "localhost"}, 0),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "127.0.0.1"}, 1),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, 0),
        ({"NO_PROXY": "localhost"}, 0),
        ({}, 0),
    ],
)
def test_proxy_that_catches_localhost_leads_past_the_base_url(claude, environ, counts):
    found = [*bypasses.find(claude.read(**environ), URL)]
    assert len(found) == counts
    assert all("passw0rd" not in each.saw + each.cure for each in found)
    for each in found:
        wanted = each.cure.partition("NO_PROXY=")[2].partition(" ")[0]
        assert not [*bypasses.find(claude.read(**{**environ, "NO_PROXY": wanted}), URL)]


def test_connect_warns_of_what_leads_past_its_address(claude):
    found = warnings.warnings(
        claude.places, "{}", {"HTTPS_PROXY": PROXY}, url=URL, is_own=lambda url: url == URL
    )
    assert any("HTTPS_PROXY" in text and "NO_PROXY" in text for text in found)
