"""Writes the completions for bash, zsh and fish, as packages install them: completions.py FOLDER.

They ask `offramp` itself, and only when the Tab key is pressed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from click.shell_completion import get_completion_class

from offramp_cli.program import command_line

_FILES = {"bash": "offramp", "zsh": "_offramp", "fish": "offramp.fish"}
"""The names by which the shells find them."""


def main() -> None:
    """Write one file for each shell, into a folder of its own."""
    for shell, name in _FILES.items():
        kind = get_completion_class(shell)
        if kind is None:
            raise SystemExit(f"click knows no completion for {shell}.")
        writer = kind(command_line, {}, "offramp", "_OFFRAMP_COMPLETE")
        file = Path(sys.argv[1]) / shell / name
        file.parent.mkdir(parents=True, exist_ok=True)
        # Not `source()`, which asks for the version of this machine's bash.
        text = writer.source_template % writer.source_vars()
        file.write_text(text.strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
