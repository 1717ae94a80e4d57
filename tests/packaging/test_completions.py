"""The completions that packages install: each is tried in its own shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

CHECKOUT = Path(__file__).parents[2]
_IN_BASH = """\
source "$1/bash/offramp"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_offramp_completion offramp
printf '%s\\n' "${COMPREPLY[@]}"
"""
_IN_ZSH = """\
zmodload zsh/zpty
zpty offered zsh -f -i
zpty -w offered "PS1=; TERM=dumb; fpath=($1/zsh \\$fpath); autoload -Uz compinit; compinit -D -u"
zpty -w offered "zstyle ':completion:*' verbose no; print rea''dy"
zpty -r -m offered said '*ready*'
zpty -w -n offered "$2"$'\\t'
zpty -r -m offered said "*$3*"
print -r -- $said
"""


@pytest.fixture(scope="module")
def completions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make completions` makes."""
    folder = tmp_path_factory.mktemp("completions")
    script = CHECKOUT / "packaging" / "completions.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which `offramp` is a program that notes each start."""
    program = tmp_path / "bin" / "offramp"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >>"{tmp_path}/started"\n'
        f'exec "{sys.executable}" -W error -m offramp_cli "$@"\n'
    )
    program.chmod(0o755)
    variables = {"HOME": str(tmp_path), "OFFRAMP_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    return {**variables, "PATH": f"{program.parent}:{os.environ['PATH']}"}


def run(environ: dict[str, str], shell: str, *arguments: str) -> list[str]:
    """Run the shell; what it printed, by lines."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    done = subprocess.run(
        [shell, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["offramp", "res"], ["restart", "resume"]),
        (["offramp", "key", ""], ["delete", "set", "show"]),
        (["offramp", "charts", "--the"], ["--theme"]),
        (["offramp", "charts", "--theme", "da"], ["dark"]),
    ],
)
def test_bash_offers_what_fits(
    completions: Path, environ: dict[str, str], words: list[str], offered: list[str]
) -> None:
    found = run(environ, "bash", "-c", _IN_BASH, "bash", str(completions), *words)
    assert found == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [("offramp resu", {"resume"}), ("offramp key s", {"set", "show"})],
)
def test_fish_offers_what_fits(
    completions: Path, environ: dict[str, str], line: str, offered: set[str]
) -> None:
    source = f"source {completions}/fish/offramp.fish; complete -C '{line}'"
    found = run(environ, "fish", "--no-config", "-c", source)
    assert {each.split("\t")[0] for each in found} == offered


def test_zsh_completes_the_only_one_that_fits(completions: Path, environ: dict[str, str]) -> None:
    typed = ("offramp disc", "onnect")
    assert run(environ, "zsh", "-f", "-c", _IN_ZSH, "zsh", str(completions), *typed)


def test_new_shell_starts_no_program(
    completions: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    run(environ, "bash", "-c", f"source {completions}/bash/offramp")
    assert not (tmp_path / "started").exists()
