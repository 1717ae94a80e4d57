"""The manual pages: one for each command, from its help text, that man shows as it should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from offramp_cli.program import command_line
from offramp_core import __version__

CHECKOUT = Path(__file__).parents[2]
_MOMENT = "1700000000"
_DATE = "2023-11-14"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make man` makes."""
    folder = tmp_path_factory.mktemp("man")
    script = CHECKOUT / "packaging" / "man_pages.py"
    environ = {**os.environ, "SOURCE_DATE_EPOCH": _MOMENT}
    subprocess.run([sys.executable, str(script), str(folder)], env=environ, check=True)
    return folder


def names_below(command: click.Command, name: str) -> list[str]:
    """The names of the pages of a command and of those below it."""
    found = [name]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            each = command.get_command(context, below)
            assert each is not None
            found += names_below(each, f"{name}-{below}")
    return found


def shown(page: Path) -> str:
    """The page as `man` shows it, on lines that do not end."""
    if shutil.which("man") is None:
        pytest.skip("there is no man here")
    environ = {**os.environ, "MANWIDTH": "800", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(
        ["man", "-l", str(page)], env=environ, capture_output=True, text=True, check=True
    )
    return re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)


def test_every_command_and_program_has_a_page(pages: Path) -> None:
    expected = {*names_below(command_line, "offramp"), "offramp-daemon"}
    assert {page.stem for page in pages.iterdir()} == expected
    assert "offramp-key-set" in expected


def test_page_has_the_date_that_the_build_gives_it_and_the_version(pages: Path) -> None:
    for page in pages.iterdir():
        first = page.read_text().splitlines()[0]
        assert first.startswith(".TH ")
        assert first.endswith(f' 1 {_DATE} "Offramp {__version__}"')


def test_no_line_is_taken_for_a_request(pages: Path) -> None:
    known = {".TH", ".SH", ".SS", ".TP", ".PP"}
    for page in pages.iterdir():
        for line in page.read_text().splitlines():
            assert line, page
            assert line[0] != "'", line
            assert line[0] != "." or line.split()[0] in known, line


def test_first_page_lists_the_commands_and_the_exit_codes(pages: Path) -> None:
    text = shown(pages / "offramp.1")
    assert "Every day" in text
    assert all(
        re.search(rf"^ +{name}\b", text, re.M)
        for name in command_line.list_commands(click.Context(command_line))
    )
    assert re.search(r"^ +4 +the port is in use$", text, re.M)


def test_page_shows_the_help_of_its_command(pages: Path) -> None:
    text = shown(pages / "offramp-key-set.1")
    assert "offramp-key-set - store the key of SERVICE" in text
    assert "offramp key set [OPTIONS] [SERVICE]" in text
    assert "--check / --no-check" in text
    assert "-h, --help" in text
    assert "offramp-key(1)" in text


def test_pages_are_clean_to_mandoc(pages: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("there is no mandoc here")
    done = subprocess.run(
        ["mandoc", "-Tlint", *map(str, sorted(pages.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
