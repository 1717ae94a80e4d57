"""`offramp config`: what it prints and what it ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from log_samples import OFFRAMP, environ_for
from quota_samples import claude_week, keep
from terminal import output_on_a_terminal

from offramp_cli import exit_codes, main
from offramp_core.config.loader import load
from offramp_core.paths import Paths

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


def test_path_names_every_file(run: Run, tmp_path: Path) -> None:
    lines = [
        f"settings     {tmp_path}/config/config.toml",
        f".env         {tmp_path}/config/.env",
        f"keys         {tmp_path}/config/keys.json",
        f"records      {tmp_path}/data/log",
        f"diagnostics  {tmp_path}/diagnostics/daemon.log",
    ]
    assert run("path") == Ending(0, "\n".join(lines) + "\n", "")
    assert run("path", "--demo").out.splitlines()[0].endswith("/demo/config/config.toml")


def test_path_names_the_log_folder_in_force(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, 'log_dir = "/a/my log"')
    assert "records      /a/my log" in run("path").out.splitlines()
    assert json.loads(run("path", "--json").out) == {
        "settings": str(file),
        "env": str(file.with_name(".env")),
        "keys": str(file.with_name("keys.json")),
        "records": "/a/my log",
        "diagnostics": str(tmp_path / "diagnostics" / "daemon.log"),
    }


def test_path_names_what_it_can_though_a_setting_is_refused(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, "prot = 1")
    ending = run("path")
    assert ending.code == 0
    labels = [line.split()[0] for line in ending.out.splitlines()]
    assert labels == ["settings", ".env", "keys", "diagnostics"]
    assert f"{file}: unknown key prot." in ending.err
    assert json.loads(run("path", "--json").out)["records"] is None


def test_check_of_good_settings_ends_with_0(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, f'zai_api_key = "{KEY}"')
    lines = [
        "Settings are valid.",
        f"read                {file}",
        f"no file (optional)  {file.parent}/.env",
    ]
    assert run("check") == Ending(0, "\n".join(lines) + "\n", "")


def test_check_names_the_files_that_it_read(run: Run, tmp_path: Path) -> None:
    env_file = write(tmp_path, "").replace(tmp_path / "config" / ".env")
    env_file.write_text(f"ZAI_API_KEY={KEY}\n")
    shown = run("check").out.splitlines()
    assert shown[1:] == [
        f"no file (optional)  {env_file.parent}/config.toml",
        f"read                {env_file}",
    ]


def test_check_without_a_file_says_so_and_that_a_key_is_missing(run: Run) -> None:
    ending = run("check")
    assert ending.code == 0
    assert ending.out.count("no file (optional)") == 2
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
    at = rows.index(["log_dir", str(tmp_path / "data" / "log")])
    assert rows[at + 1] == ["default"]
    assert "sonnet → zai, up to 200,000 tokens" in ending.out
    at = rows.index(["haiku", "→", "zai", "as", "GLM-4.5-Air,", "up", "to"])
    assert rows[at + 1] == ["128,000", "tokens"]
    assert KEY not in ending.out
    shown = {row[0] for row in rows}
    names = set(load(Paths.under(tmp_path), {}).origins)
    assert {name for name in names if not name.startswith("backend.anthropic.")} <= shown
    assert not any(line.endswith(" ") for line in ending.out.splitlines())


def test_show_tells_the_week_that_was_learnt(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    keep(Paths.under(tmp_path), claude_week(datetime(2026, 11, 27, 11, tzinfo=UTC)))
    rows = json.loads(run("show", "--json").out)["settings"]
    learnt = "learnt from Claude's weekly reset"
    assert rows["week_start_day"] == {"value": 5, "origin": learnt}
    assert rows["week_start_hour"] == {"value": 16, "origin": f"{learnt}, 16:30"}
    lines = [line.split(maxsplit=2) for line in run("show").out.splitlines()]
    assert ["week_start_day", "5", learnt] in lines
    monkeypatch.setenv("WEEK_START_HOUR", "7")
    rows = json.loads(run("show", "--json").out)["settings"]
    assert rows["week_start_day"] == {"value": 4, "origin": "default"}
    assert rows["week_start_hour"]["value"] == 7


def test_show_leaves_out_what_does_not_apply_to_unchanged_requests(
    run: Run, tmp_path: Path
) -> None:
    write(tmp_path, '[backend.mine]\nbase_url = "https://mine.example"\nauth = "client"')
    names = [line.split()[0] for line in run("show").out.splitlines()]
    for backend in ("anthropic", "mine"):
        shown = {name for name in names if name.startswith(f"backend.{backend}.")}
        assert shown == {f"backend.{backend}.{key}" for key in ("base_url", "auth", "own_thinking")}
    assert "backend.zai.headers" in names
    assert "backend.mine.headers" in json.loads(run("show", "--json").out)["settings"]


def test_show_on_a_narrow_terminal_breaks_no_word(tmp_path: Path) -> None:
    folder = tmp_path / "Application Support" / ("x" * 60)
    url = "https://a-very-long-name-of-a-gateway.example/with/a/long/path"
    write(tmp_path, f'log_dir = "{folder}"\nzai_base_url = "{url}"')
    environ = environ_for(tmp_path, COLUMNS="80", TERM="xterm", NO_COLOR="1", LC_ALL="C.UTF-8")
    shown = output_on_a_terminal([*OFFRAMP, "config", "show"], environ).splitlines()
    assert any(str(folder) in line for line in shown)
    assert any(url in line for line in shown)
    usual = [line for line in shown if str(folder) not in line and url not in line]
    assert max(map(len, usual)) <= 80
    words = " ".join(usual).replace(",", " ").split()
    assert {"interleaved-thinking-2025-05-14", "content-encoding", "GLM-4.5-Air"} <= set(words)
    assert not any(line.endswith(" ") for line in shown)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_show_keeps_its_columns_whatever_is_long(tmp_path: Path, is_terminal: bool) -> None:
    folder = tmp_path / ("x" * 60)
    url = "https://a-very-long-name-of-a-gateway.example/with/a/long/path"
    fields = ", ".join(f'"field_{number}"' for number in range(30))
    write(
        tmp_path,
        f'log_dir = "{folder}"\nzai_base_url = "{url}"\n[backend.zai]\ndrop_fields = [{fields}]',
    )
    environ = environ_for(tmp_path, COLUMNS="80", TERM="xterm", NO_COLOR="1", LC_ALL="C.UTF-8")
    command = [*OFFRAMP, "config", "show"]
    if is_terminal:
        text = output_on_a_terminal(command, environ)
    else:
        text = subprocess.run(
            command, env=environ, capture_output=True, check=True, encoding="utf-8"
        ).stdout
    title, *lines = text.splitlines()
    value_at, origin_at = title.index("value"), title.index("from")
    for line in lines:
        if str(folder) not in line and url not in line:
            assert len(line) <= 80
            assert line[value_at - 2 : value_at].strip() == ""
    origins = [line[origin_at:] for line in lines if line.endswith((" default", " file"))]
    assert set(origins) == {"default", "file"}
    for long in (str(folder), url):
        number = next(number for number, line in enumerate(lines) if line.endswith(long))
        assert lines[number + 1] == f"{'':{origin_at}}file"


def test_show_says_of_an_empty_name_that_it_is_not_set(run: Run) -> None:
    assert ["machine", "(not", "set)", "default"] in [
        line.split() for line in run("show").out.splitlines()
    ]


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
        "fallback_model": None,
        "context_tokens": 128000,
        "max_output_tokens": None,
        "images": None,
        "documents": None,
        "always_thinks": None,
        "efforts": None,
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
    assert settings["port"] == {"value": 3101, "origin": "demo"}
    addresses = ("zai_base_url", "backend.zai.base_url", "anthropic_base_url")
    for name in (*addresses, "zai_api_key", "backend.zai.key"):
        assert settings[name] == {"value": "(simulated)", "origin": "demo"}
