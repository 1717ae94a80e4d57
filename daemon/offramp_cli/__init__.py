"""The command line, `offramp`: options in, text and exit codes out.

The only place that prints. `main` imports the rest only when it is called, for Claude Code waits
each time that it asks `offramp statusline`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the process's exit code says how it went (see `exit_codes`)."""
    words = sys.argv[1:]
    if words in (["statusline"], ["statusline", "--demo"]):
        from offramp_cli import statusline  # its start is most of what it takes

        statusline.show(is_demo="--demo" in words)
        sys.exit(0)
    from offramp_cli import program

    program.run(words)
