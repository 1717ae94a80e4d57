"""The pages that people read, README and docs first, with their links and blocks of code."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_INLINE_CODE = re.compile(r"`+[^`]+`+")
_LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:src|srcset|href)=\"([^\"\s]+)\"")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_DROPPED = str.maketrans("", "", string.punctuation.replace("-", "").replace("_", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of code: the page it is on, its language, its text without the indentation."""

    page: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page, by its path in the checkout."""

    name: str

    @property
    def text(self) -> str:
        """Return all of the page."""
        return (CHECKOUT / self.name).read_text(encoding="utf-8")

    def blocks(self) -> list[Block]:
        """Return the fenced blocks in the order of the page."""
        return [
            Block(page=self.name, language=language, text=re.sub(f"(?m)^{indent}", "", text))
            for indent, language, text in _FENCED.findall(self.text)
        ]

    def prose(self) -> str:
        """Return the page without its fenced blocks."""
        return _FENCED.sub("", self.text)

    def links(self) -> list[str]:
        """Return what the page links to, pictures included."""
        prose = _INLINE_CODE.sub(lambda code: "`" * len(code[0]), self.prose())
        return [first or second for first, second in _LINK.findall(prose)]

    def anchors(self) -> set[str]:
        """Return the anchors of the page's headings, as GitHub writes them."""
        return {_anchor(heading) for heading in _HEADING.findall(self.prose())}


def _anchor(heading: str) -> str:
    return heading.lower().translate(_DROPPED).replace(" ", "-")


def every_page() -> list[Page]:
    """Return all pages of the checkout, README first."""
    folders = ("", "docs", "benchmarks", "packaging/macos")
    found = sorted(file for folder in folders for file in (CHECKOUT / folder).glob("*.md"))
    names = [file.relative_to(CHECKOUT).as_posix() for file in found]
    return [Page(name) for name in sorted(names, key=lambda name: (name != "README.md", name))]
