"""Every link of the pages leads somewhere, and so does every page that the programs name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from posixpath import normpath

import pytest
from pages import CHECKOUT, Page, every_page

PAGES = every_page()
_NAMED_IN_CODE = re.compile(r"\bdocs/[\w./-]+\.md(?:#[\w-]+)?")


def is_found(target: str) -> bool:
    """Say whether `target`, a path in the checkout with or without an anchor, is there."""
    name, _, anchor = target.partition("#")
    if not (CHECKOUT / name).exists():
        return False
    return not anchor or anchor in Page(name).anchors()


def local_links(page: Page) -> list[str]:
    """Return the page's links into the checkout, by the path from its top."""
    folder = PurePosixPath(page.name).parent
    return [
        normpath(folder / link) if not link.startswith("#") else page.name + link
        for link in page.links()
        if "://" not in link
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_link_of_a_page_leads_to_a_file_and_a_heading(page: Page) -> None:
    assert [link for link in local_links(page) if not is_found(link)] == []


def test_page_that_a_program_or_comment_names_is_there() -> None:
    named = {
        name
        for folder in ("daemon", "tray", "dashboard_qt", "packaging")
        for file in (CHECKOUT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".png"
        for name in _NAMED_IN_CODE.findall(file.read_text(encoding="utf-8"))
    }
    assert {name for name in named if not is_found(name)} == set()
    assert named


def test_readme_leads_to_every_page_of_the_docs() -> None:
    linked = {link.partition("#")[0] for link in local_links(Page("README.md"))}
    pages = {page.name for page in PAGES if page.name.startswith("docs/")}
    assert pages <= linked


def test_picture_in_the_docs_is_shown_on_a_page() -> None:
    shown = {link for page in PAGES for link in local_links(page)}
    pictures = {f"docs/images/{file.name}" for file in (CHECKOUT / "docs/images").iterdir()}
    assert pictures <= shown


def test_readme_is_short() -> None:
    assert len(Page("README.md").text.splitlines()) <= 150


@pytest.mark.parametrize(
    "target",
    ["docs/nowhere.md", "README.md#nowhere", "docs/security.md#Limits", "docs/images/x.png"],
)
def test_link_to_nowhere_is_found_out(target: str) -> None:
    assert not is_found(target)
