"""Loads what the charts window needs, and prints what is wrong: a title, then what to do.

`offramp doctor` runs it as a process of its own: Qt ends a whole process where it lacks a library.
"""

from __future__ import annotations

import sys

from offramp_core.errors import OfframpError
from offramp_dashboard.command import check_libraries


def main() -> None:
    """Print two lines about what is missing; nothing where nothing is."""
    try:
        check_libraries()
    except OfframpError as error:
        sys.stdout.write(f"{error.title}\n{error.hint}\n")


if __name__ == "__main__":
    main()
