"""The command line as a whole: help, version, completion, and what it loads for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from daemon_process import environment, run_command

from offramp_cli import exit_codes, main
from offramp_cli.options import Number, WholeNumber
from offramp_core import __version__
from offramp_core.config.loader import ConfigError
from offramp_core.errors import OfframpError
from offramp_daemon.server.listeners import PortBusyError

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    "config",
    "connect",
    "demo",
    "disconnect",
    "key",
    "logs",
    "pause",
    "reload",
    "resume",
    "serve",
    "stats",
    "status",
    "statusline",
    "version",
)


async def loaded_by(home, *arguments: str, **variables: str) -> set[str]:
    """The top-level modules that a command has imported by its end."""
    ending = await run_command(home, *arguments, PYTHONPROFILEIMPORTTIME="1", **variables)
    assert ending.code == 0
    lines = (line for line in ending.err.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


async def test_version_is_told_without_loading_what_is_slow(tmp_path):
    ending = await run_command(tmp_path, "--version")
    assert (ending.code, ending.out, ending.err) == (0, f"offramp, version {__version__}\n", "")
    loaded = await loaded_by(tmp_path, "--version")
    assert "click" in loaded
    assert not loaded & {"aiohttp", "asyncio", "rich", "truststore"}


@pytest.mark.parametrize("option", ["--help", "-h"])
async def test_help_lists_every_command_without_loading_any(tmp_path, option):
    ending = await run_command(tmp_path, option)
    assert ending.code == 0
    listed = [
        line.split()[0] for line in ending.out.partition("Every day:")[2].splitlines() if line
    ]
    assert sorted(name for name in listed if name in COMMANDS) == sorted(COMMANDS)
    assert "offramp install" in ending.out
    assert not await loaded_by(tmp_path, option) & {"aiohttp", "asyncio", "rich"}


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_has_a_help_of_its_own(tmp_path, command):
    ending = await run_command(tmp_path, command, "--help")
    assert ending.code == 0
    assert ending.out.startswith(f"Usage: offramp {command}")


async def test_no_command_shows_the_help(tmp_path):
    ending = await run_command(tmp_path)
    assert (ending.code, ending.err) == (0, "")
    assert "Every day:" in ending.out


@pytest.mark.parametrize("words", [(), ("stats",), ("config", "check")])
async def test_help_with_a_command_shows_what_its_option_shows(tmp_path, words):
    ending = await run_command(tmp_path, "help", *words)
    wanted = await run_command(tmp_path, *words, "--help")
    assert (ending.code, ending.out, ending.err) == (0, wanted.out, "")


async def test_help_with_no_command_of_that_name_is_refused_as_usage(tmp_path):
    ending = await run_command(tmp_path, "help", "statsu")
    assert ending.code == 2
    assert "No such command 'statsu'. Did you mean stats" in ending.err


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (WholeNumber(1, 520), "0", "0 is not in the range 1 to 520."),
        (WholeNumber(1), "0", "0 is not in the range 1 or more."),
        (Number(0, 10, min_open=True), "0", "0.0 is not in the range above 0, up to 10."),
        (WholeNumber(1, 520), "two", "'two' is not a valid whole number."),
    ],
)
def test_numbers_out_of_range_are_refused_in_words(kind, value, said):
    with pytest.raises(click.BadParameter, match=f"^{re.escape(said)}$"):
        kind.convert(value, None, None)


async def test_unknown_command_is_refused_as_usage(tmp_path):
    ending = await run_command(tmp_path, "server")
    assert ending.code == 2
    assert "server" in ending.err
    assert "Traceback" not in ending.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_script_is_produced(tmp_path, shell):
    variables = {"_OFFRAMP_COMPLETE": f"{shell}_source"}
    ending = await run_command(tmp_path, **variables)
    assert ending.code == 0
    assert "_OFFRAMP_COMPLETE" in ending.out
    assert "offramp" in ending.out


async def test_completion_names_the_commands_and_their_options(tmp_path):
    async def complete(words: str, position: int) -> list[str]:
        variables = {
            "_OFFRAMP_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(position),
        }
        ending = await run_command(tmp_path, **variables)
        return [line.partition(",")[2] for line in ending.out.splitlines()]

    assert await complete("offramp s", 1) == [
        "serve",
        "sessions",
        "setup",
        "simulate",
        "start",
        "stats",
        "status",
        "statusline",
        "stop",
    ]
    assert "--port" in await complete("offramp serve --", 2)


async def test_version_command_tells_the_parts(tmp_path):
    ending = await run_command(tmp_path, "version", "--json")
    versions = json.loads(ending.out)
    assert versions["offramp"] == __version__
    assert {"python", "system", "aiohttp", "click"} <= versions.keys()
    ending = await run_command(tmp_path, "version")
    assert ending.out.startswith("offramp")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("Wrong."), exit_codes.SETTINGS_REFUSED),
        (PortBusyError("Busy."), exit_codes.PORT_BUSY),
        (OfframpError("Broken."), exit_codes.FAILURE),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error, code):
    assert exit_codes.for_error(error) == code


def test_error_is_shown_as_title_and_hint(monkeypatch, capsys, tmp_path):
    file = tmp_path / "config" / "config.toml"
    file.parent.mkdir()
    file.write_text("prot = 1\n")
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["offramp", "config", "check"])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == exit_codes.SETTINGS_REFUSED
    title, hint = capsys.readouterr().err.splitlines()
    assert title.startswith(f"offramp: {os.fspath(file)}: unknown key prot")
    assert hint.startswith("  ")
    assert "port" in hint


def test_no_command_loads_openssl_only_to_start(tmp_path: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-c", "import sys, offramp_cli; print('ssl' in sys.modules)"),
        env=environment(tmp_path),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("typed", "meant"), [("stat", "stats"), ("conect", "connect"), ("resum", "resume")]
)
async def test_misspelt_command_gets_the_one_that_was_meant(tmp_path, typed, meant):
    ending = await run_command(tmp_path, typed)
    assert ending.code == 2
    assert f"Did you mean {meant}?" in ending.err


async def test_option_before_the_command_is_told_its_place(tmp_path):
    ending = await run_command(tmp_path, "--demo", "stats")
    assert ending.code == 2
    assert "options after its name" in ending.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--port", "abc"),
        ("serve", "--port", "0"),
        ("demo", "--port", "70000"),
        ("stats", "--weeks", "many"),
        ("logs", "-n", "-1"),
        ("sessions", "-n", "x"),
        ("simulate", "--weeks", "0"),
        ("stats", "--since", "yesterdayish"),
        ("pause", "--for", "400d"),
        ("pause", "--for", "soon"),
        ("pause", "--until", "2099-01-01 08:00"),
        ("pause", "--until", "2020-01-01 08:00"),
        ("pause", "--for", "1h", "--until-reset"),
        ("key", "delete", "nobody"),
        ("key", "set", "nobody"),
        ("key", "set", "anthropic"),
        ("key", "set", "--file", "--keyring"),
        ("connect", "--nope"),
        ("statusline", "--nope"),
        ("doctor", "--only", "nothing"),
        ("charts", "--size", "big"),
    ],
)
async def test_wrong_argument_ends_with_2_and_no_foreign_words(tmp_path, arguments):
    ending = await run_command(tmp_path, *arguments)
    assert ending.code == exit_codes.WRONG_ARGUMENT, ending.err
    assert "Traceback" not in ending.err
    assert "integer range" not in ending.err
