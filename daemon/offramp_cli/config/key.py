"""`offramp key`: stores, shows and deletes the keys of the backends. A key is never an argument."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from offramp_cli import own_name
from offramp_cli.config import key_sources
from offramp_cli.daemon_client import client_for
from offramp_cli.options import WrongArgumentError
from offramp_core.config.values import shown
from offramp_core.control.client import ControlError, NotRunningError
from offramp_core.errors import OfframpError
from offramp_core.keys import key_input
from offramp_core.keys.key_store import KeyStore, service_name
from offramp_core.keys.system_keyring import PROMPT_LIMIT_S, QUIET_LIMIT_S, SystemKeyring
from offramp_core.paths import Paths
from offramp_core.services import DELEGATE
from offramp_core.wording.formatting import backend_name

if TYPE_CHECKING:
    from offramp_core.config.loader import LoadedSettings
    from offramp_core.control.api import BackendStatus
    from offramp_core.control.client import ControlClient
    from offramp_core.keys.key_file import KeyPlace
    from offramp_core.keys.key_store import KeyPlacement
    from offramp_core.settings import Backend, Secret

_MOST_BYTES = 64 * 1024
_LOOK_EVERY_S = 0.1
_WAITING = (
    "Waiting for the system keyring, which may be asking for its password elsewhere on the "
    "screen. To use a file instead, press Ctrl-C and run: offramp key set --file"
)

_backend_argument = click.argument("names", nargs=-1, metavar="[SERVICE]")


@click.group("key")
def command() -> None:
    """Store, show or delete a service's key, such as Z.ai's."""


@command.command("set")
@_backend_argument
@click.option("--file", "in_file", is_flag=True, help="Store it in the file keys.json (mode 0600).")
@click.option(
    "--keyring", "in_keyring", is_flag=True, help="Store it in the system keyring, or fail."
)
@click.option(
    "--check/--no-check",
    "is_checked",
    default=True,
    show_default=True,
    help="Ask the service first whether it accepts the key.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _set(
    names: tuple[str, ...], in_file: bool, in_keyring: bool, is_checked: bool, as_json: bool
) -> None:
    """Store the key of SERVICE (zai, unless you name another).

    Type the key at a prompt that does not show it, or pipe it in. It is stored in the system
    keyring if there is one, or else in a file that only you can read. A key that the service
    refuses is not stored; the check is free.
    """
    if in_file and in_keyring:
        raise click.UsageError("--file and --keyring can't be combined: choose one.")
    place: KeyPlace | None = "file" if in_file else "keyring" if in_keyring else None
    paths = Paths.for_user(os.environ)
    loaded = key_sources.load(paths)
    backend = key_sources.backend_named(_one_name(names), loaded)
    key = key_input.parse(read_key(backend.name), backend.name)
    report = KeyReport(is_json=as_json)
    try:
        store_key(paths, loaded, backend, key, report, place=place, is_checked=is_checked)
    finally:
        report.print_json()


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _show(as_json: bool) -> None:
    """Show each service's key, masked, and where it comes from.

    The environment wins over .env, .env over config.toml, and that over a stored key.
    """
    paths = Paths.for_user(os.environ)
    loaded = key_sources.load(paths)
    store = KeyStore(paths)
    rows = []
    for backend in filter(key_input.takes_key, loaded.settings.backends):
        source = key_sources.source_of(backend, loaded, paths)
        rows.append(key_sources.with_stored_key(source, store))
    unused = _unused(paths, {row.backend for row in rows if row.origin in key_sources.STORED})
    if as_json:
        keys = [row.as_json() for row in rows]
        click.echo(json.dumps({"keys": keys, "unused": unused, "notes": loaded.notes}, indent=2))
        return
    width = max((len(row.backend) for row in rows), default=0)
    for row in rows:
        mask = row.key.masked() if row.key else "(not there)" if row.problem else "(none)"
        place = "" if row.origin == "none" else f"  from {row.where}"
        click.echo(f"{row.backend:<{width}}  {mask}{place}")
        if row.problem:
            click.echo(f"{'':<{width}}  {row.problem}")
    for each in unused:
        click.echo(f"{each['backend']:<{width}}  stored in {each['where']}, but not used")


@command.command("delete")
@_backend_argument
def _delete(names: tuple[str, ...]) -> None:
    """Delete the stored key of SERVICE (zai, unless you name another).

    Keys that you set in the environment, .env or config.toml stay; the command shows where
    they are.
    """
    paths = Paths.for_user(os.environ)
    store = KeyStore(paths, _keyring(paths))
    name = _one_name(names)
    _check_deletable(name, store, key_sources.load(paths))
    deleted = store.delete(name)
    if deleted.from_keyring:
        click.echo(f"The key for {backend_name(name)} was deleted from the system keyring.")
    if deleted.from_file:
        click.echo(f"The key for {backend_name(name)} was deleted from {paths.keys_file}.")
    if deleted.obstacle is not None:
        _note(
            f"It is no longer used, but may still be in the keyring. {deleted.obstacle.title} "
            f"When the keyring works again, run: offramp key delete {name}"
        )
    is_found = deleted.from_keyring or deleted.from_file or deleted.obstacle is not None
    if not is_found:
        click.echo(f"No key for {name} was stored.")
    report = KeyReport()
    _warn_of_other_source(name, paths, "still gives a key, and is used.", report)
    if is_found:
        notify_daemon(client_for(paths), name, report)


def _check_deletable(name: str, store: KeyStore, loaded: LoadedSettings) -> None:
    """Refuse a name that has no stored key and could have none.

    Raises:
        WrongArgumentError: there is no such backend, or it gets the client's own credentials.
    """
    stored = store.entries()
    if name in stored:
        return
    if any(backend.name == name for backend in loaded.settings.backends):
        key_sources.backend_named(name, loaded)
        return
    held = f"Keys are stored for: {', '.join(sorted(stored))}." if stored else "No key is stored."
    raise WrongArgumentError(f"No key is stored for {shown(name)}.", hint=held)


@dataclass(kw_only=True, slots=True)
class KeyReport:
    """What there is to say of a key: printed at once, or all together as JSON."""

    is_json: bool = False
    check: str = "skipped"
    says: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Say what was done."""
        self.says.append(text)
        if not self.is_json:
            click.echo(text)

    def note(self, text: str) -> None:
        """Say what the user should know besides."""
        self.notes.append(text)
        if not self.is_json:
            _note(text)

    def print_json(self) -> None:
        """Print all of it, where it has not been printed."""
        if self.is_json:
            document = {"check": self.check, "says": self.says, "notes": self.notes}
            click.echo(json.dumps(document, indent=2))


def store_key(
    paths: Paths,
    loaded: LoadedSettings,
    backend: Backend,
    key: Secret,
    report: KeyReport,
    *,
    place: KeyPlace | None = None,
    is_checked: bool = True,
) -> None:
    """Check the key if asked to, store it, have the daemon take it, and report the result.

    Raises:
        OfframpError: the backend refuses it, or it can't be stored; nothing was.
    """
    is_known = is_checked and is_accepted(backend, key, loaded, report)
    if not is_known and not key_input.has_usual_shape(key, backend.name):
        shape = key_input.USUAL_SHAPE
        report.note(f"This does not look like a key for {backend.name}, which is {shape}.")
    kept = KeyStore(paths, _keyring(paths)).set(backend.name, key, place=place)
    _report_place(backend, key, kept, report)
    outdone = "also has a key, which wins over the stored one."
    _warn_of_other_source(backend.name, paths, outdone, report)
    notify_daemon(client_for(paths), backend.name, report)


def is_accepted(backend: Backend, key: Secret, loaded: LoadedSettings, report: KeyReport) -> bool:
    """Ask the backend whether it takes the key, which costs nothing.

    Raises:
        OfframpError: it refuses the key.
    """
    from offramp_daemon.upstream import key_check

    verdict = key_check.check_key(backend, key, routes=loaded.settings.routes)
    report.check = verdict.outcome
    if verdict.outcome == "refused":
        raise OfframpError(
            f"{verdict.text} It was not stored.",
            hint="Copy it again from the service's page for API keys. To store it anyway: "
            f"offramp key set {backend.name} --no-check",
        )
    if verdict.outcome == "unknown":
        report.note(f"{verdict.text} It was stored without a check.")
    else:
        report.say(verdict.text)
    return verdict.outcome == "accepted"


def _report_place(backend: Backend, key: Secret, kept: KeyPlacement, report: KeyReport) -> None:
    what = f"The key for {backend_name(backend.name)} ({key.masked()})"
    if kept.place == "keyring":
        report.say(f"{what} is in the system keyring ({kept.where}).")
        return
    report.say(f"{what} is in {kept.where}, which only you can read.")
    if kept.obstacle is not None and kept.was_in_keyring:
        report.note(f"An older one may still be in the keyring. {kept.obstacle.title}")
    elif kept.obstacle is not None:
        report.note(f"Stored in a file. {kept.obstacle.title}")


def _warn_of_other_source(name: str, paths: Paths, what: str, report: KeyReport) -> None:
    loaded = key_sources.load(paths)
    for backend in loaded.settings.backends:
        if backend.name == name and key_input.takes_key(backend):
            source = key_sources.source_of(backend, loaded, paths)
            if source.key is not None and source.origin not in key_sources.STORED:
                report.note(f"{source.where} {what}")


def notify_daemon(client: ControlClient, name: str, report: KeyReport) -> None:
    """Have the daemon take the change, and say whether it has a key now."""
    try:
        answer = client.reload()
        status = _settled(client, name) if answer.problem is None else None
    except NotRunningError:
        report.say("The daemon isn't running; it will use this key when it starts.")
        return
    except ControlError as error:
        report.note(f"It is not known whether the daemon uses it already: {error}")
        return
    if status is None:
        report.note(f"The daemon rejected its settings: {answer.problem}")
    elif status.key == "present":
        report.say(f"The running daemon has a key for {name}.")
    else:
        why = f" ({status.key_note})" if status.key_note else ""
        report.say(f"The running daemon has no key for {name}{why}: everything goes to Claude.")


def _settled(client: ControlClient, name: str) -> BackendStatus | None:
    """What the daemon says of this backend, once the keyring has answered it."""
    from offramp_daemon.config.keyring_keys import WAITING

    deadline_s = time.monotonic() + QUIET_LIMIT_S + 1
    while True:
        found = next((each for each in client.status().backends if each.name == name), None)
        if found is None or found.key_note != WAITING or time.monotonic() > deadline_s:
            return found
        time.sleep(_LOOK_EVERY_S)


def _unused(paths: Paths, used: set[str]) -> list[dict[str, Any]]:
    """The stored keys that another source outdoes, or whose backend is gone."""
    return [
        {
            "backend": name,
            "where": "the system keyring" if entry.place == "keyring" else str(paths.keys_file),
        }
        for name, entry in KeyStore(paths).entries().items()
        if name not in used
    ]


def _one_name(names: tuple[str, ...]) -> str:
    """The backend that was named; more than one argument may hold a key, and is not repeated."""
    if len(names) > 1:
        raise WrongArgumentError(
            "More than one argument was given.",
            hint="Name only the service. Type the key at the prompt or pipe it in; as an "
            "argument, others could see it, and the shell would keep it in its history.",
        )
    return names[0] if names else DELEGATE.name


def read_key(backend: str) -> str:
    """Read what is typed at a prompt that does not show it, or piped in."""
    if sys.stdin.isatty():
        text: str = click.prompt(
            f"Key for {shown(backend)} (not shown)",
            hide_input=True,
            default="",
            show_default=False,
            err=True,
        )
        return text
    return sys.stdin.buffer.read(_MOST_BYTES).decode(errors="replace")


def _keyring(paths: Paths) -> SystemKeyring:
    """The keyring, which may ask for its password where somebody is there to be asked."""
    may_prompt = sys.stderr.isatty()
    return SystemKeyring(
        service_name(paths),
        limit_s=PROMPT_LIMIT_S if may_prompt else QUIET_LIMIT_S,
        may_prompt=may_prompt,
        on_wait=lambda: click.echo(_WAITING, err=True),
    )


def _note(text: str) -> None:
    click.echo(f"Note: {own_name.in_hints(text)}", err=True)
