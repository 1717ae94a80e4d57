"""Writes a manual page for each command from its help text: man_pages.py FOLDER.

The texts are those of `--help`. SOURCE_DATE_EPOCH, where set, dates the pages. The library for
this, click-man, does not do: it escapes nothing, cuts each summary after 45 characters, and finds
no command that is imported only when it is called.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli.program import GROUPS, command_line
from offramp_core import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EXIT_CODES = Path(__file__).parents[1] / "docs" / "commands.md"
_IN_ROFF = str.maketrans(
    {"\\": "\\e", "-": "\\-", '"': "\\(dq", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
)
_DAEMON = """\
The daemon of Offramp, as systemd or launchd starts it. It holds the port, and replaces the process
that serves if that ends or if another version was installed.

It takes no arguments. `offramp install` sets it up. `offramp start` and `offramp stop` start and
stop it. To run the daemon in a terminal, use `offramp serve`.
"""


def main() -> None:
    """Write all pages."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    moment = float(os.environ.get("SOURCE_DATE_EPOCH") or datetime.now(UTC).timestamp())
    date = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
    for name, parts in _pages():
        title = f'.TH "{_escaped(name.upper())}" 1 {date} "Offramp {__version__}"'
        page = [title, *parts]
        (folder / f"{name}.1").write_text("\n".join(page) + "\n", encoding="utf-8")


def _pages() -> Iterator[tuple[str, list[str]]]:
    for context in _contexts(command_line, "offramp"):
        name = _page_name(context)
        yield name, [*_head(context), *_options(context), *_commands(context), *_tail(context)]
    name = "offramp-daemon"
    head = [*_name(name, "the daemon of Offramp"), *_synopsis(name, "")]
    yield name, [*head, *_described(_DAEMON), *_see_also(["offramp"])]


def _contexts(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Walk a command and all commands below it."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from _contexts(found, below, context)


def _page_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _head(context: click.Context) -> list[str]:
    text = inspect.cleandoc(context.command.help or "")
    first, _, rest = text.partition("\n\n")
    summary = " ".join(first.split()).rstrip(".")
    pieces = " ".join(context.command.collect_usage_pieces(context))
    return [
        *_name(_page_name(context), summary[:1].lower() + summary[1:]),
        *_synopsis(context.command_path, pieces),
        *_described(rest or first),
    ]


def _name(name: str, summary: str) -> list[str]:
    return [_heading("SH", "NAME"), *_lines(f"{name} - {summary}")]


def _synopsis(name: str, pieces: str) -> list[str]:
    return [_heading("SH", "SYNOPSIS"), f"\\fB{_escaped(name)}\\fR {_escaped(pieces)}".rstrip()]


def _described(text: str) -> list[str]:
    return [_heading("SH", "DESCRIPTION"), *_paragraphs(text)]


def _options(context: click.Context) -> Iterator[str]:
    parameters = context.command.get_params(context)
    records = [
        each.get_help_record(context) for each in parameters if each.param_type_name == "option"
    ]
    if records:
        yield _heading("SH", "OPTIONS")
    yield from _list(each for each in records if each)


def _commands(context: click.Context) -> Iterator[str]:
    group = context.command
    if not isinstance(group, click.Group):
        return
    yield _heading("SH", "COMMANDS")
    if context.parent is None:
        for title, commands in GROUPS.items():
            yield _heading("SS", title)
            yield from _list((name, text) for name, (_, text) in commands.items())
        return
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    yield from _list((name, each.get_short_help_str(200)) for name, each in found if each)


def _tail(context: click.Context) -> Iterator[str]:
    """Add the exit codes to the first page, and what belongs together to every page."""
    group = context.command
    below = group.list_commands(context) if isinstance(group, click.Group) else []
    related = [f"{_page_name(context)}-{name}" for name in below]
    if context.parent is None:
        rows = re.findall(r"^\| (\d+) \| (.+) \|$", _EXIT_CODES.read_text(encoding="utf-8"), re.M)
        yield _heading("SH", "EXIT STATUS")
        yield from _list((code, words.replace("`", "")) for code, words in rows)
        related.append("offramp-daemon")
    else:
        related.insert(0, _page_name(context.parent))
    yield from _see_also(related)


def _see_also(names: list[str]) -> list[str]:
    """List pages, whose names are not hyphenated."""
    return [
        _heading("SH", "SEE ALSO"),
        ",\n".join(f"\\%\\fB{_escaped(name)}\\fR(1)" for name in names),
    ]


def _list(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in rows:
        yield ".TP"
        yield f"\\fB{_escaped(term)}\\fR"
        yield from _paragraphs(text)


def _paragraphs(text: str) -> Iterator[str]:
    for index, paragraph in enumerate(re.split(r"\n\s*\n", inspect.cleandoc(text).strip())):
        if index:
            yield ".PP"
        yield from _lines(paragraph)


def _lines(paragraph: str) -> Iterator[str]:
    width = 64  # short of 80 once it is escaped
    for line in textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False):
        yield _escaped(line)


def _heading(macro: str, title: str) -> str:
    return f'.{macro} "{_escaped(title)}"'


def _escaped(text: str) -> str:
    """Write text so that roff shows it as it is, at the beginning of a line too."""
    text = text.translate(_IN_ROFF)
    return f"\\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    main()
