"""`offramp serve`: the daemon in the foreground."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import click

from offramp_cli import own_name
from offramp_cli.options import WholeNumber
from offramp_core.config import loader, proxy_variables
from offramp_core.keys.key_store import service_name
from offramp_core.keys.system_keyring import SystemKeyring
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from offramp_core.config.loader import LoadedSettings


@click.command("serve")
@click.option(
    "--port",
    type=WholeNumber(1, 65535),
    help="Listen on this port instead of the configured one.",
)
def command(port: int | None) -> None:
    """Run the daemon in the foreground until Ctrl-C.

    Settings come from config.toml and the environment; `offramp config show` lists them. If a
    service manager passes sockets (LISTEN_FDS), they replace the configured address.
    """
    import asyncio

    from offramp_daemon.upstream import tls

    with tls.certificates_unread():
        from offramp_daemon import run
    from offramp_daemon.config.keyring_keys import KeyringKeys
    from offramp_daemon.supervisor import socket_activation
    from offramp_daemon.supervisor.worker_link import WorkerLink

    listeners = socket_activation.inherited(os.environ, os.getpid())
    worker_link = WorkerLink.taken_from(os.environ)
    environ = dict(os.environ)
    if port is not None:
        environ["OFFRAMP_PORT"] = str(port)
    paths = Paths.for_user(environ)
    # Python's and OpenSSL's own functions look for these only in the process's environment.
    os.environ.update(proxy_variables.from_file(paths.env_file, environ))
    keyring = KeyringKeys(SystemKeyring(service_name(paths)))
    asyncio.run(
        run.serve(
            paths,
            load=lambda held: _with_own_name(
                loader.load(paths, {**environ, **held}, from_keyring=keyring.held)
            ),
            fingerprint=lambda: loader.fingerprint(paths),
            keyring=keyring,
            listeners=listeners,
            worker_link=worker_link,
        )
    )


def _with_own_name(loaded: LoadedSettings) -> LoadedSettings:
    """The same, with notes that name this program as it can be typed here."""
    return dataclasses.replace(loaded, notes=tuple(map(own_name.in_hints, loaded.notes)))
