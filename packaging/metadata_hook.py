"""Adds to the package's metadata what is known only once somebody publishes it.

hatchling runs it. The values are in `[tool.offramp]` of pyproject.toml; an empty one adds nothing.
"""

from __future__ import annotations

import re
import tomllib
from email.utils import parseaddr
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LABELS = {"homepage": "Homepage", "source": "Source", "release-page": "Releases"}
_RELATIVE = re.compile(r'(\]\(|(?:src|srcset)=")(?!https?:|#)([^)"]+)')
"""A link or a picture of README.md that leads to a file beside it."""


class PublicationHook(MetadataHookInterface):
    """Fills in the addresses, the maintainer and the description."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what is set to `metadata`, the `[project]` table."""
        root = Path(self.root)
        values = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["offramp"]
        metadata["urls"] = {label: values[name] for name, label in _LABELS.items() if values[name]}
        metadata["maintainers"] = _people(values["maintainer"])
        text = (root / "README.md").read_text("utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _with_addresses(text, values["source"]),
        }


def _people(text: str) -> list[dict[str, str]]:
    person = dict(zip(("name", "email"), parseaddr(text), strict=True))
    known = {key: each for key, each in person.items() if each}
    return [known] if known else []


def _with_addresses(text: str, source: str) -> str:
    """Have links lead to the source, since a package's page has no files beside it."""
    if not source:
        return text
    return _RELATIVE.sub(lambda found: f"{found[1]}{source.rstrip('/')}/raw/HEAD/{found[2]}", text)
