"""`offramp version`: what is installed, for a bug report."""

from __future__ import annotations

import json
import platform
from importlib import metadata

import click

from offramp_core import __version__

_PARTS = ("aiohttp", "msgspec", "click", "rich", "truststore")


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Show the versions of Offramp, Python, the system and the main libraries."""
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
