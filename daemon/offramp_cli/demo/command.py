"""`offramp demo`: the daemon against the built-in stand-in for both services."""

from __future__ import annotations

import os

import click

from offramp_core.paths import Paths

PORT = 3101


@click.command("demo")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Listen here."
)
@click.option(
    "--traffic/--no-traffic",
    default=True,
    show_default=True,
    help="Play sample requests through the daemon, one every few seconds.",
)
def command(port: int, traffic: bool) -> None:
    """Run the whole path with no key and no network.

    The services are simulated in this process; folders, history and port are the demo's own. To
    look at its numbers: offramp stats --demo
    """
    import asyncio

    from offramp_cli.demo import demo

    paths = Paths.for_user(os.environ, is_demo=True)
    asyncio.run(demo.serve(paths, port=port, has_traffic=traffic))
