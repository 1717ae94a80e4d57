"""All checks, in the order in which they are shown: each link of the chain after the one before."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_cli.doctor.checks import (
    check_backends,
    check_claude_install,
    check_claude_settings,
    check_daemon,
    check_delegation,
    check_desktop,
    check_environment,
    check_file_modes,
    check_keys,
    check_login_item,
    check_machines,
    check_port,
    check_records,
    check_settings,
    check_system,
    check_users,
    check_versions,
)
from offramp_cli.doctor.runner import UNANSWERED_CURE, Check
from offramp_core import machine_id
from offramp_core.addresses import client_base_url, leads_here
from offramp_core.claude_settings import scopes
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.usage.weeks import system_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark
    from offramp_core.control.api import ClientProblem
    from offramp_core.settings import Backend

    Run = Callable[[], Iterable[Remark]]

_NETWORK_CURE = "Connections get no answer: check the network, and any VPN or proxy."
_DISK_CURE = "The disk is slow or does not answer; it may be a network drive."
_SILENCE_CURES = {
    "key": _NETWORK_CURE,
    "keyring": "Unlock the keyring, or store the key in a file: offramp key set --file",
    "backend": _NETWORK_CURE,
    "log": _DISK_CURE,
    "records": _DISK_CURE,
}
"""What to do about a check that does not end in time, by the first word of its name."""


def checks(context: DoctorContext) -> list[Check]:
    """Return every check, ready to run."""
    groups = {
        "Offramp": _offramp_checks(context),
        "Daemon": _daemon_checks(context),
        "Keys": _key_checks(context),
        "Backends": _backend_checks(context),
        "Claude Code": _claude_checks(context),
        "Records": _record_checks(context),
        "Desktop": _desktop_checks(context),
    }
    return [
        Check(
            name=name,
            group=group,
            run=run,
            cure_for_silence=_SILENCE_CURES.get(name.partition("-")[0], UNANSWERED_CURE),
        )
        for group, named in groups.items()
        for name, run in named.items()
    ]


def chosen(all_checks: Sequence[Check], names: Sequence[str]) -> list[Check]:
    """Return those of `names`, or all; `key` stands for `key-zai` and its like too.

    Raises:
        KeyError: a name is not a check's.
    """
    for name in names:
        if not any(_is_named(check, name) for check in all_checks):
            raise KeyError(name)
    return [
        check for check in all_checks if not names or any(_is_named(check, name) for name in names)
    ]


def _is_named(check: Check, name: str) -> bool:
    return check.name == name or check.name.startswith(f"{name}-")


def _offramp_checks(context: DoctorContext) -> dict[str, Run]:
    notes = context.loaded.notes if context.loaded else ()
    file = context.paths.config_file
    return {
        "versions": lambda: check_versions.judge(check_versions.look(context)),
        "settings": lambda: check_settings.judge(
            context.problem, notes, file, is_there=file.exists()
        ),
        "secrets": lambda: check_file_modes.judge(context.open_files, context.paths),
        "system": lambda: check_system.judge(check_system.look(context)),
    }


def _daemon_checks(context: DoctorContext) -> dict[str, Run]:
    def check_running() -> Iterator[Remark]:
        answerer = check_port.answerer_of(check_port.look(context))
        zone = system_zone(context.environ)
        return check_daemon.judge(context.status, context.trouble, answerer, now=_now(), zone=zone)

    return {
        "daemon": check_running,
        "delegation": lambda: check_delegation.judge(
            context.status, now=_now(), zone=system_zone(context.environ)
        ),
        "port": lambda: check_port.judge(
            check_port.look(context),
            context.port,
            wanted_port=context.settings.port,
            is_running=context.status is not None,
            now=_now(),
            beside=check_port.look_beside(context),
            platform=context.platform,
        ),
        "users": lambda: check_users.judge(
            context.settings, knows_owners=check_users.knows_owners()
        ),
        "localhost": lambda: check_port.judge_localhost(check_port.look_up_localhost()),
        "login-item": lambda: check_login_item.judge(check_login_item.look(context)),
        "environment": lambda: check_environment.judge(check_environment.look(context)),
    }


def _key_checks(context: DoctorContext) -> dict[str, Run]:
    def check_key(backend: Backend) -> Iterator[Remark]:
        return check_keys.judge(check_keys.look(context, backend))

    return {
        **{
            f"key-{backend.name}": functools.partial(check_key, backend)
            for backend in check_keys.backends_with_key(context)
        },
        "keyring": lambda: check_keys.judge_keyring(check_keys.look_at_keyring(context)),
    }


def _backend_checks(context: DoctorContext) -> dict[str, Run]:
    def check(backend: Backend) -> Iterator[Remark]:
        return check_backends.judge(backend, check_backends.look(context, backend))

    return {
        f"backend-{backend.name}": functools.partial(check, backend)
        for backend in context.backends_in_use
    }


def _claude_checks(context: DoctorContext) -> dict[str, Run]:
    host = context.settings.host
    url = client_base_url(host=host, port=context.port)
    is_own = functools.partial(leads_here, host=host, port=context.port)

    @functools.cache
    def found_scopes() -> tuple[scopes.Scope, ...]:
        places = SettingsLocations.for_user(
            context.environ, home=context.home, folder=context.folder
        )
        return scopes.read(places, context.environ)

    return {
        "claude": lambda: check_claude_install.judge(check_claude_install.look(context)),
        "claude-address": lambda: check_claude_settings.judge_address(
            found_scopes(),
            url,
            is_own=is_own,
            problem=_client_problem(context),
            token=context.settings.client_token,
        ),
        "claude-login": lambda: check_claude_install.judge_login(
            check_claude_install.look_for_login(context, found_scopes())
        ),
        "claude-models": lambda: check_claude_settings.judge_models(
            found_scopes(), context.settings
        ),
        "claude-features": lambda: check_claude_settings.judge_features(
            found_scopes(), is_own=is_own
        ),
    }


def _client_problem(context: DoctorContext) -> ClientProblem | None:
    return None if context.status is None else context.status.client_problem


def _record_checks(context: DoctorContext) -> dict[str, Run]:
    def check_recorded() -> Iterator[Remark]:
        now = _now()
        recorded = check_records.look_at_records(context.log_dir, now)
        yield from check_records.judge_records(recorded, now)
        own_id = machine_id.load(context.paths.machine_id_file)
        name = context.settings.machine
        yield from check_machines.judge(check_machines.look(context.log_dir, name, own_id))

    return {
        "log": lambda: check_records.judge(check_records.look(context.log_dir)),
        "records": check_recorded,
    }


def _desktop_checks(context: DoctorContext) -> dict[str, Run]:
    return {
        "tray": lambda: check_desktop.judge(check_desktop.look(context)),
        "charts": lambda: check_desktop.judge_charts(
            check_desktop.look_for_charts(context.environ)
        ),
    }


def _now() -> datetime:
    return datetime.now(UTC)
