"""The command line, `offramp`: options in, text and exit codes out.

The only place that prints.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the process's exit code says how it went (see `exit_codes`)."""
    from offramp_cli import program

    program.run(sys.argv[1:])
