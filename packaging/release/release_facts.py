"""What the scripts of a release share: the version, the changelog, and how files are named."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

TOP = Path(__file__).parents[2]
_HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?[ \t]*$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_LINK = re.compile(r"^\[[^\]]+\]: \S+$", re.MULTILINE)


class ReleaseError(Exception):
    """Something keeps this from being released; the text says what, and what to do."""


def project_version(top: Path = TOP) -> str:
    """Return the version that the package states.

    Raises:
        ReleaseError: it states none.
    """
    file = top / "daemon" / "offramp_core" / "__init__.py"
    found = re.search(r'^__version__ = "([^"]+)"$', file.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise ReleaseError(f'{file} has no line __version__ = "..."')
    return found[1]


def changelog_part(text: str, version: str) -> str:
    """Return what the changelog `text` says of `version`, without the heading.

    Raises:
        ReleaseError: it has no part for the version, one without a date, or an empty one.
    """
    headings = list(_HEADING.finditer(text))
    index = next((i for i, each in enumerate(headings) if each["name"] == version), None)
    if index is None:
        raise ReleaseError(
            f"CHANGELOG.md has no heading for {version}. Add: ## [{version}] - YEAR-MONTH-DAY"
        )
    heading = headings[index]
    if not _is_date(heading["date"] or ""):
        raise ReleaseError(
            f"CHANGELOG.md: {heading[0].strip()!r} has no date. Write: ## [{version}] - "
            "YEAR-MONTH-DAY"
        )
    end = headings[index + 1].start() if index + 1 < len(headings) else len(text)
    part = _LINK.sub("", text[heading.end() : end]).strip()
    if not part:
        raise ReleaseError(f"CHANGELOG.md says nothing of {version}.")
    return f"{part}\n"


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False
