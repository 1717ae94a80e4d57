"""`offramp version`: what is installed, for a bug report; with `--check`, what the newest is."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import click
from packaging.version import Version

from offramp_cli import exit_codes
from offramp_cli.version import upgrade_way
from offramp_core import __version__
from offramp_core.config import proxy_variables
from offramp_core.errors import OfframpError
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from offramp_cli.version.newest_release import Release

_PARTS = ("aiohttp", "msgspec", "click", "rich", "truststore")
_NO_ADDRESS = OfframpError(
    f"This is Offramp {__version__}. Whether there is a newer one can't be looked up, because this "
    "package has no address of a release page.",
    hint="Look where you got Offramp from. Whoever publishes it sets release-page in "
    "pyproject.toml.",
)


@click.command("version")
@click.option("--check", is_flag=True, help="Ask the release page for the newest version.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(check: bool, as_json: bool) -> None:
    """Show the versions of Offramp, Python, the system and the main libraries.

    Offramp never looks for a newer version by itself. With --check, it asks the release page once,
    and sends nothing about you. Ends with 0 if this is the newest version, with 5 if there is a
    newer one, and with 1 if that could not be found out.
    """
    if check:
        _check(as_json=as_json)
        return
    versions = {
        "offramp": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: metadata.version(name) for name in _PARTS},
    }
    if as_json:
        click.echo(json.dumps(versions))
        return
    for name, value in versions.items():
        click.echo(f"{name:<12}{value}")


def _check(*, as_json: bool) -> None:
    from offramp_cli.version import newest_release  # brings the client by which it asks

    address = newest_release.page_address()
    if address is None:
        raise _NO_ADDRESS
    env_file = Paths.for_user(os.environ).env_file
    os.environ.update(proxy_variables.from_file(env_file, os.environ))
    release = newest_release.find(address)
    is_newer = release.is_for_everybody and release.version > Version(__version__)
    way = upgrade_way.of_this_program()
    if as_json:
        told = {"installed": __version__, "latest": str(release.version), "is_newer": is_newer}
        click.echo(json.dumps({**told, "page": release.page, "upgrade": way}))
    else:
        _tell(release, way, is_newer=is_newer)
    sys.exit(exit_codes.NEWER_VERSION if is_newer else 0)


def _tell(release: Release, way: str, *, is_newer: bool) -> None:
    own, latest = Version(__version__), release.version
    if is_newer:
        click.echo(f"Offramp {latest} is available. This is {own}.")
        click.echo(f"To upgrade: {way}")
    elif latest > own:
        click.echo(f"Offramp {own} is the newest version. {latest} is a pre-release.")
    elif latest == own:
        click.echo(f"Offramp {own} is the newest version.")
    else:
        click.echo(f"Offramp {own} is newer than the newest release, {latest}.")
    if latest > own:
        click.echo(f"About {latest}: {release.page}")
