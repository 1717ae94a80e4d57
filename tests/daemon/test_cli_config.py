"""`offramp config`: what it prints and what it ends with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from offramp_core.config import load
from offramp_core.paths import Paths
from offramp_daemon.cli import exit_codes, main

if TYPE_CHECKING:
    from pathlib import Path

KEY = "0123456789abcdef0123456789abcdef.AbCdEfGh12345678"
OWN_VARIABLES = ("PORT", "HOST", "ZAI_API_KEY", "ZAI_BASE_URL", "ANTHROPIC_BASE_URL")


@dataclass(frozen=True)
class Ending:
    code: int
    out: str
    err: str


Run = Callable[..., Ending]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `offramp config …` with folders of its own and no settings from this process."""
    for name in (*OWN_VARIABLES, "LOG_DIR", "LOG_LEVEL", "WEEK_START_DAY", "WEEK_START_HOUR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OFFRAMP_HOME", str(tmp_path))

    def run(*arguments: str) -> Ending:
        monkeypatch.setattr(sys, "argv", ["offramp", "config", *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        code = ending.value.code
        assert isinstance(code, int)
        return Ending(code, *capsys.readouterr())

    return run


def write(root: Path, toml: str, *, is_demo: bool = False) -> Path:
    file = Paths.under(root / "demo" if is_demo else root).config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(toml, encoding="utf-8")
    return file


def test_path_prints_the_file_alone(run: Run, tmp_path: Path) -> None:
    assert run("path") == Ending(0, f"{tmp_path / 'config' / 'config.toml'}\n", "")
    assert run("path", "--demo").out == f"{tmp_path / 'demo' / 'config' / 'config.toml'}\n"


def test_check_of_good_settings_ends_with_0(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, f'zai_api_key = "{KEY}"')
    assert run("check") == Ending(0, f"The settings are good: {file}\n", "")


def test_check_without_a_file_says_that_these_are_defaults(run: Run) -> None:
    ending = run("check")
    assert ending.code == 0
    assert "not there: defaults" in ending.out
    assert "Note: There is no key for zai" in ending.err


def test_check_of_a_wrong_setting_ends_with_3_and_says_why(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, "prot = 1")
    ending = run("check")
    assert ending.code == exit_codes.SETTINGS_REFUSED == 3
    assert ending.out == ""
    assert ending.err == f"offramp: {file}: unknown key prot.\n  Did you mean port?\n"


def test_show_of_a_wrong_setting_ends_with_3(run: Run, tmp_path: Path) -> None:
    write(tmp_path, "port = ")
    assert run("show").code == 3


def test_show_lists_every_setting_with_its_origin(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 'port = 4000\n[backend.zai]\ndrop_fields = ["[bold]x", "y"]')
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    ending = run("show")
    assert ending.code == 0
    rows = [line.split() for line in ending.out.splitlines()]
    assert ["port", "4000", "file"] in rows
    assert ["log_level", "info", "default"] in rows
    assert ["zai_api_key", "01234...45678", "environment", "ZAI_API_KEY"] in rows
    assert ["backend.zai.drop_fields", "[bold]x,", "y", "file"] in rows
    assert ["client_token", "(not", "set)", "default"] in rows
    assert ["log_dir", str(tmp_path / "data" / "log"), "default"] in rows
    assert "sonnet → zai, up to 200,000 tokens" in ending.out
    assert "haiku → zai as GLM-4.5-Air, up to 128,000 tokens" in ending.out
    assert KEY not in ending.out
    shown = {row[0] for row in rows}
    assert set(load(Paths.under(tmp_path), {}).origins) <= shown


def test_show_as_json_holds_values_origins_and_notes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, f'client_token = "{KEY}"\nlog_dir = "/a/b"\nallowed_hosts = ["x"]')
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:3001")
    ending = run("show", "--json")
    assert ending.code == 0
    assert ending.err == ""
    document = json.loads(ending.out)
    settings = document["settings"]
    assert settings["port"] == {"value": 3001, "origin": "default"}
    assert settings["client_token"] == {"value": "01234...45678", "origin": "file"}
    assert settings["zai_api_key"] == {"value": None, "origin": "default"}
    assert settings["log_dir"]["value"] == "/a/b"
    assert settings["allowed_hosts"]["value"] == ["x"]
    assert settings["keep_on_anthropic.images"] == {"value": True, "origin": "default"}
    assert settings["backend.zai.auth"]["value"] == "x-api-key"
    assert settings["route"]["value"][1] == {
        "match": "haiku",
        "backend": "zai",
        "send_model": "GLM-4.5-Air",
        "context_tokens": 128000,
    }
    assert "Offramp itself" in document["notes"][0]
    assert KEY not in ending.out


def test_demo_shows_its_own_file_and_never_the_users_key(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "port = 4000")
    write(tmp_path, "week_start_day = 1", is_demo=True)
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    settings = json.loads(run("show", "--json", "--demo").out)["settings"]
    assert settings["week_start_day"] == {"value": 1, "origin": "file"}
    assert settings["port"]["value"] != 4000
    assert settings["zai_api_key"] == {"value": None, "origin": "default"}
