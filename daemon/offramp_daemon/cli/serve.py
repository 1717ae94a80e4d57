"""`offramp serve`: the daemon in the foreground."""

from __future__ import annotations

import os

import click

from offramp_core import config, system_variables
from offramp_core.key_store import service_name
from offramp_core.paths import Paths
from offramp_core.system_keyring import SystemKeyring


@click.command("serve")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen here instead of the set port.")
def command(port: int | None) -> None:
    """Run the daemon in the foreground until Ctrl-C.

    Sockets that a service manager passes on (LISTEN_FDS) win over the set address.
    Settings come from config.toml and the environment; `offramp config show` lists them.
    """
    import asyncio

    from offramp_daemon import activation, foreground
    from offramp_daemon.keyring_keys import KeyringKeys
    from offramp_daemon.supervision import Supervision

    listeners = activation.inherited(os.environ, os.getpid())
    supervision = Supervision.taken_from(os.environ)
    environ = dict(os.environ)
    if port is not None:
        environ["OFFRAMP_PORT"] = str(port)
    paths = Paths.for_user(environ)
    # Python's and OpenSSL's own functions look for these in the process's environment alone.
    os.environ.update(system_variables.from_file(paths.env_file, environ))
    keyring = KeyringKeys(SystemKeyring(service_name(paths)))
    asyncio.run(
        foreground.serve(
            paths,
            load=lambda held: config.load(paths, {**environ, **held}, from_keyring=keyring.held),
            fingerprint=lambda: config.fingerprint(paths),
            keyring=keyring,
            listeners=listeners,
            supervision=supervision,
        )
    )
