"""Prints what the changelog says of this version, as the text of its release.

Usage: notes.py [VERSION]
"""

from __future__ import annotations

import sys

from release_facts import TOP, ReleaseError, changelog_part, project_version


def main() -> None:
    """Print it."""
    try:
        version = sys.argv[1] if len(sys.argv) > 1 else project_version()
        print(changelog_part((TOP / "CHANGELOG.md").read_text("utf-8"), version), end="")
    except ReleaseError as error:
        sys.exit(f"notes.py: {error}")


if __name__ == "__main__":
    main()
