"""Commands and options that the pages mention exist, and each command is mentioned."""

from __future__ import annotations

import re

import click
import msgspec
import pytest
from pages import Page, every_page
from settings_home import SettingsHome
from shell_statements import option_names, problem_with, words_for_offramp

from offramp_cli.program import command_line
from offramp_core.paths import Paths

PAGES = [page for page in every_page() if page.name != "CHANGELOG.md"]
"""The change log names what was removed, too."""
NAMES = command_line.list_commands(click.Context(command_line))
_CODE = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"`(--?[a-z][a-z-]*)")
_PLACEHOLDERS = frozenset({"COMMAND", "…", "..."})


def mentioned(page: Page) -> list[list[str]]:
    """Return the words of each `offramp …` in the page's text."""
    return [
        words
        for code in _CODE.findall(page.prose().replace("\\|", "|"))
        for words in words_for_offramp(code)
        if words and words[0] not in _PLACEHOLDERS
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_in_the_text_of_a_page_exists(page: Page) -> None:
    assert [problem for words in mentioned(page) if (problem := problem_with(words))] == []


def test_option_in_the_table_of_commands_exists() -> None:
    context = click.Context(command_line)
    rows = re.findall(r"^\| `offramp .*", Page("docs/commands.md").text, re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(?:offramp )?([a-z]+)", row.split(" | ")[0])
        commands = [command_line.get_command(context, name) for name in named if name in NAMES]
        known = {option for command in commands if command for option in option_names(command)}
        assert set(_OPTION.findall(row)) <= known, row


def test_every_command_is_on_a_page_of_the_docs() -> None:
    named = {
        words[0] for page in PAGES if page.name.startswith("docs/") for words in mentioned(page)
    }
    assert set(NAMES) <= named


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["stat"], "there is no command 'stat'"),
        (["key", "ask"], "there is no command 'ask'"),
        (["stats", "--weeks", "3", "--wrong=1"], "stats has no --wrong"),
        (["logs", "-z"], "logs has no -z"),
        (["key", "set", "--file"], None),
        (["pause", "--for", "1h"], None),
        (["--version"], None),
    ],
)
def test_name_that_does_not_exist_is_found_out(words: list[str], problem: str | None) -> None:
    assert problem_with(words) == problem


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in page.blocks() if block.language in {"toml", "json"}],
    ids=lambda block: block.page,
)
def test_settings_and_answers_on_a_page_can_be_read(block, tmp_path) -> None:
    if block.language == "json":
        assert msgspec.json.decode(block.text.replace("...", ""))
    else:
        assert SettingsHome(Paths.under(tmp_path)).load_toml(block.text)
