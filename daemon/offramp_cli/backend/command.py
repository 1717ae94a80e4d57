"""`offramp backend`: lists, adds and removes services."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from offramp_cli import own_name
from offramp_cli.config import key_sources
from offramp_cli.config.key import KeyReport, is_accepted, read_key, store_key
from offramp_cli.daemon_client import client_for
from offramp_core.config import backend_list, editor
from offramp_core.control.client import ControlError, NotRunningError
from offramp_core.errors import OfframpError
from offramp_core.keys import key_input
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from offramp_core.config.backend_list import BackendEntry
    from offramp_core.keys.key_file import KeyPlace
    from offramp_core.settings import Secret

_CAN_BE_ADDED = "Can be added (offramp backend add NAME):"
_HOW_TO_USE = (
    "To use it, add routes to config.toml. They replace the default routes, and the first that "
    "matches is used. For Sonnet and Haiku:"
)
_name_argument = click.argument("name", metavar="NAME")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("backend")
def command() -> None:
    """List the services that Offramp can delegate to; add or remove one."""


@command.command("list")
@_json_option
def _list(as_json: bool) -> None:
    """Show the services that are set up, and those that can be added by name.

    --json also shows what is known of each service, with its source, and what is not known.
    """
    loaded = key_sources.load(Paths.for_user(os.environ))
    found = backend_list.entries(loaded)
    if as_json:
        rows = [_as_json(entry) for entry in found]
        click.echo(json.dumps({"backends": rows, "notes": loaded.notes}, indent=2))
        return
    width = max(len(entry.name) for entry in found)
    for is_set_up, title in ((True, "Set up:"), (False, _CAN_BE_ADDED)):
        rows_of = [entry for entry in found if entry.is_set_up == is_set_up]
        if rows_of:
            click.echo(own_name.in_hints(title))
        for entry in rows_of:
            click.echo(f"  {entry.name:<{width}}  {_line(entry)}")


def _line(entry: BackendEntry) -> str:
    if not entry.is_set_up:
        key = "" if entry.backend.takes_key else ", no key needed"
        return f"{entry.title}, {entry.backend.base_url}{key}"
    used = f"used by {' and '.join(entry.uses)}" if entry.uses else "not used"
    return f"{entry.title}, key {entry.key}, {used}"


def _as_json(entry: BackendEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "is_set_up": entry.is_set_up,
        "base_url": entry.backend.base_url,
        "auth": entry.backend.auth,
        "key": entry.key,
        "routes": entry.routes,
        "is_in_failover": entry.is_in_failover,
        "can_be_removed": entry.can_be_removed,
        "models": [
            {
                "name": model.name,
                "context_tokens": model.context_tokens,
                "max_output_tokens": model.max_output_tokens,
                "images": model.images,
            }
            for model in entry.service.models
        ],
        "facts": [
            {
                "about": fact.about,
                "text": fact.text,
                "source": fact.source or None,
                "read": fact.read or None,
                "is_known": fact.is_known,
            }
            for fact in entry.service.facts
        ],
    }


@command.command("add")
@_name_argument
@click.option("--url", "base_url", help="The address, for a service that is not in the list.")
@click.option(
    "--auth",
    type=click.Choice(["x-api-key", "bearer", "none"]),
    help="How the key is sent; none for a server without keys.",
)
@click.option("--no-key", "is_without_key", is_flag=True, help="Do not ask for the key now.")
@click.option("--file", "place", flag_value="file", help="Keep the key in keys.json (mode 0600).")
@click.option("--keyring", "place", flag_value="keyring", help="Keep it in the keyring, or fail.")
@click.option(
    "--check/--no-check",
    "is_checked",
    default=True,
    show_default=True,
    help="Ask the service first whether it takes the key.",
)
@_json_option
def _add(
    name: str,
    base_url: str | None,
    auth: str | None,
    is_without_key: bool,
    place: KeyPlace | None,
    is_checked: bool,
    as_json: bool,
) -> None:
    """Add the service NAME to config.toml, and store its key.

    The key is typed at a prompt that does not show it, or piped in; the check costs nothing. If the
    service refuses the key, nothing is changed. Requests go there once a route or failover names
    it.
    """
    paths = Paths.for_user(os.environ)
    loaded = key_sources.load(paths)
    changes = backend_list.addition(loaded.settings, name, base_url, auth)
    new = editor.check(paths, os.environ, changes)
    backend = new.settings.backend(name)
    report = KeyReport(is_json=as_json)
    try:
        key = None
        if backend.takes_key and not is_without_key:
            key = _key_for(name)
            if is_checked:
                is_accepted(backend, key, new, report)
        new = editor.save(paths, os.environ, changes)
        report.say(f"{name} was added to {paths.config_file}.")
        if key is not None:
            store_key(paths, new, backend, key, report, place=place, is_checked=False)
        else:
            _reload(paths, report)
        if backend.takes_key and key is None:
            report.note(f"It has no key yet: offramp key set {name}")
        if not as_json:
            click.echo(f"{_HOW_TO_USE}\n\n{backend_list.suggested_routes(name)}")
    finally:
        report.print_json()


def _key_for(name: str) -> Secret:
    """Read the key of a service that is not set up yet, so that `key set` does not know it.

    Raises:
        OfframpError: there is none, or it is plainly something else.
    """
    text = read_key(name)
    if not text.strip():
        raise OfframpError(
            "No key was given.",
            hint=f"Type it at the prompt, or pipe it in: offramp backend add {name} < FILE. "
            "To add the service without a key: --no-key",
        )
    return key_input.parse(text, name)


@command.command("remove")
@_name_argument
@_json_option
def _remove(name: str, as_json: bool) -> None:
    """Remove the service NAME from config.toml. Routes and failover must no longer name it.

    Its stored key stays; `offramp key delete NAME` deletes it.
    """
    paths = Paths.for_user(os.environ)
    changes = backend_list.removal(key_sources.load(paths), name)
    report = KeyReport(is_json=as_json)
    try:
        editor.save(paths, os.environ, changes)
        report.say(f"{name} was removed from {paths.config_file}.")
        _reload(paths, report)
    finally:
        report.print_json()


def _reload(paths: Paths, report: KeyReport) -> None:
    """Have a running daemon take the change, and say if it does not."""
    try:
        answer = client_for(paths).reload()
    except NotRunningError:
        return
    except ControlError as error:
        report.note(f"It is not clear whether the daemon noticed: {error}")
        return
    if answer.problem is not None:
        report.note(f"The daemon refused its settings: {answer.problem}")
