"""`offramp serve`: the daemon in the foreground."""

from __future__ import annotations

import os

import click

from offramp_core import config
from offramp_core.paths import Paths


@click.command("serve")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here instead of the set port.")
def command(port: int | None) -> None:
    """Run the daemon in the foreground until Ctrl-C.

    Settings come from config.toml and the environment; `offramp config show` lists them.
    """
    import asyncio

    from offramp_daemon import foreground

    environ = dict(os.environ)
    if port is not None:
        environ["OFFRAMP_PORT"] = str(port)
    paths = Paths.for_user(environ)
    asyncio.run(
        foreground.serve(
            paths,
            load=lambda held: config.load(paths, {**environ, **held}),
            fingerprint=lambda: config.fingerprint(paths),
        )
    )
