"""`offramp version --check` as a whole: what it says, and what it ends with."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_process import SOURCES, Ending, run_command
from packaging.version import Version
from raw_upstream import Connection, json_answer, raw_upstream

from offramp_cli import exit_codes
from offramp_core import __version__

if TYPE_CHECKING:
    from pathlib import Path

OWN = Version(__version__)
NEWER = f"{OWN.major}.{OWN.minor + 1}.0"


def package_with(folder: Path, address: str | None) -> dict[str, str]:
    """Variables by which a process finds a package with this address."""
    known = folder / "packages" / f"offramp-{__version__}.dist-info"
    known.mkdir(parents=True)
    url = "" if address is None else f"Project-URL: Releases, {address}\n"
    (known / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: offramp\nVersion: {__version__}\n"
        f"Project-URL: Homepage, http://127.0.0.1:1/\n{url}"
    )
    return {"PYTHONPATH": f"{known.parent}:{SOURCES}"}


async def checked(folder: Path, tag: str, *options: str) -> Ending:
    async def give(connection: Connection) -> None:
        told = {"tag_name": tag, "html_url": "https://releases.example/tag"}
        await connection.write(json_answer(json.dumps(told).encode()))

    async with raw_upstream(give) as page:
        variables = package_with(folder, page.url)
        return await run_command(folder, "version", "--check", *options, **variables)


async def test_newer_release_is_shown_with_the_way_to_it(tmp_path: Path) -> None:
    ending = await checked(tmp_path, f"v{NEWER}")
    assert (ending.code, ending.err) == (exit_codes.NEWER_VERSION, "")
    first, way, about = ending.out.splitlines()
    assert first == f"Offramp {NEWER} is available. This is {__version__}."
    assert way.startswith("To upgrade: ")
    assert about == f"About {NEWER}: https://releases.example/tag"


@pytest.mark.parametrize(
    ("tag", "says"),
    [
        (f"v{__version__}", f"Offramp {__version__} is the newest version."),
        (f"{__version__}.0", f"Offramp {__version__} is the newest version."),
        ("v0.0.1", f"Offramp {__version__} is newer than the newest release, 0.0.1."),
        (f"{NEWER}rc1", f"{NEWER}rc1 is a pre-release."),
    ],
)
async def test_nothing_newer_ends_with_0(tmp_path: Path, tag: str, says: str) -> None:
    ending = await checked(tmp_path, tag)
    assert (ending.code, ending.err) == (0, "")
    assert says in ending.out
    assert "To upgrade" not in ending.out


async def test_json_has_the_same(tmp_path: Path) -> None:
    ending = await checked(tmp_path, NEWER, "--json")
    assert ending.code == exit_codes.NEWER_VERSION
    told = json.loads(ending.out)
    assert told.pop("upgrade")
    page = "https://releases.example/tag"
    assert told == {"installed": __version__, "latest": NEWER, "is_newer": True, "page": page}


@pytest.mark.parametrize("option", [(), ("--json",)])
async def test_package_without_an_address_says_so(tmp_path: Path, option: tuple[str, ...]) -> None:
    ending = await run_command(
        tmp_path, "version", "--check", *option, **package_with(tmp_path, None)
    )
    assert (ending.code, ending.out) == (exit_codes.FAILURE, "")
    assert "has no address of a release page" in ending.err
    assert "Traceback" not in ending.err


async def test_page_that_cannot_be_asked_ends_with_1(tmp_path: Path) -> None:
    variables = package_with(tmp_path, "http://127.0.0.1:1/releases/latest")
    ending = await run_command(tmp_path, "version", "--check", **variables)
    assert (ending.code, ending.out) == (exit_codes.FAILURE, "")
    assert "could not be found out" in ending.err
    assert "Traceback" not in ending.err


async def test_version_without_check_asks_nobody(tmp_path: Path) -> None:
    variables = package_with(tmp_path, "http://127.0.0.1:1/releases/latest")
    ending = await run_command(tmp_path, "version", **variables)
    assert (ending.code, ending.err) == (0, "")


@pytest.mark.skipif(sys.platform == "darwin", reason="its system's proxies count there too")
async def test_proxy_of_the_env_file_is_used(tmp_path: Path) -> None:
    settings = tmp_path / "config" / ".env"
    settings.parent.mkdir()
    settings.write_text("HTTP_PROXY=http://me:secret@127.0.0.1:1\n")
    variables = package_with(tmp_path, "http://releases.example/latest")
    ending = await run_command(tmp_path, "version", "--check", **variables)
    assert ending.code == exit_codes.FAILURE
    assert "proxy on the way to releases.example could not be reached" in ending.err
    assert "secret" not in ending.err
