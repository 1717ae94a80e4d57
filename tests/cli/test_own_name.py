"""What hints tell people to type: the program as it was started."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest
from daemon_process import environment

from offramp_cli import own_name

PROGRAM = Path(sys.executable).with_name("offramp")


def make_program(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "offramp"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def relative_to(folder: Path) -> str:
    return os.path.relpath(PROGRAM, folder)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout that is the current folder, with a program that no PATH leads to."""
    make_program(tmp_path / ".venv" / "bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


@pytest.mark.usefixtures("checkout")
def test_program_of_a_checkout_is_named_by_its_path():
    assert own_name.as_typed([".venv/bin/offramp", "stats"]) == ".venv/bin/offramp"


def test_folder_with_a_space_is_quoted(checkout):
    program = make_program(checkout / "my tools")
    assert own_name.as_typed([str(program)]) == f"'{program}'"


def test_program_on_the_path_is_named_by_its_name_alone(checkout, monkeypatch):
    program = checkout / ".venv" / "bin" / "offramp"
    monkeypatch.setenv("PATH", str(program.parent))
    assert own_name.as_typed([str(program)]) == "offramp"


def test_another_program_of_that_name_on_the_path_is_not_meant(checkout, monkeypatch):
    make_program(checkout / "other")
    monkeypatch.setenv("PATH", str(checkout / "other"))
    assert own_name.as_typed([".venv/bin/offramp"]) == ".venv/bin/offramp"


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("started", ["offramp", "/x/offramp_cli/__main__.py", "pytest", ""])
def test_what_is_no_path_of_the_program_is_named_offramp(started):
    assert own_name.as_typed([started]) == "offramp"


def test_each_command_in_a_hint_is_named_and_nothing_else(checkout, monkeypatch):
    monkeypatch.setattr(sys, "argv", [".venv/bin/offramp", "logs"])
    text = "Run `offramp serve`, or offramp try. See /x/offramp here, offramp-daemon, offramp: no."
    assert own_name.in_hints(text) == (
        "Run `.venv/bin/offramp serve`, or .venv/bin/offramp try. See /x/offramp here, "
        "offramp-daemon, offramp: no."
    )
    assert checkout.is_dir()


@pytest.mark.skipif(not PROGRAM.exists(), reason="the program is not installed beside this Python")
@pytest.mark.parametrize("arguments", [("logs",), ("pause",), ("config", "check"), ("connect",)])
async def test_advice_can_be_typed_as_it_stands(tmp_path, arguments):
    name = relative_to(tmp_path)
    own = {"PATH": "/usr/bin:/bin", "CLAUDE_CONFIG_DIR": str(tmp_path / "claude"), "PORT": "1"}
    process = await asyncio.create_subprocess_exec(
        name,
        *arguments,
        cwd=tmp_path,
        env={**environment(tmp_path), **own},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate()
    said = (out + err).decode()
    assert f"{name} " in said
    assert " offramp " not in said.replace("offramp: ", "")
