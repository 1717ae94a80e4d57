"""`offramp demo`: the daemon against the built-in stand-in for both services."""

from __future__ import annotations

import os

import click

from offramp_cli.options import WholeNumber
from offramp_core.paths import Paths

PORT = 3101


@click.command("demo")
@click.option(
    "--port", type=WholeNumber(1, 65535), default=PORT, show_default=True, help="Listen here."
)
@click.option(
    "--traffic/--no-traffic",
    default=True,
    show_default=True,
    help="Send sample requests through the daemon, one every few seconds.",
)
@click.option(
    "--lenient", is_flag=True, help="Let the simulated services accept what the real ones refuse."
)
@click.option(
    "--allow", metavar="REFUSAL", multiple=True, help="Switch one refusal off, such as zai:fields."
)
@click.option(
    "--refuse", metavar="REFUSAL", multiple=True, help="Switch one refusal on, even with --lenient."
)
def command(
    port: int, traffic: bool, lenient: bool, allow: tuple[str, ...], refuse: tuple[str, ...]
) -> None:
    """Run everything against simulated services: no key, no network.

    The demo has folders, a history and a port of its own. To see its numbers: offramp stats
    --demo
    """
    import asyncio

    from offramp_cli.demo import demo
    from offramp_simulator import refusals

    chosen = refusals.choose(is_lenient=lenient, allow=allow, refuse=refuse)
    paths = Paths.for_user(os.environ, is_demo=True)
    asyncio.run(demo.serve(paths, port=port, has_traffic=traffic, refusals=chosen))
