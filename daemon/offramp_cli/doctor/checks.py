"""All checks, in the order in which they are shown: each link of the chain after the one before."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_cli.doctor import (
    check_backends,
    check_claude_install,
    check_claude_settings,
    check_daemon,
    check_desktop,
    check_environment,
    check_file_modes,
    check_keys,
    check_login_item,
    check_port,
    check_records,
    check_settings,
    check_system,
    check_versions,
)
from offramp_cli.doctor.runner import Check
from offramp_core.addresses import client_base_url, leads_here
from offramp_core.claude_settings import scopes
from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.usage.weeks import system_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offramp_cli.doctor.context import Surroundings
    from offramp_cli.doctor.finding import Remark
    from offramp_core.claude_settings.scopes import Scope
    from offramp_core.settings import Backend

_NETWORK_CURE = "The network holds connections back: check it, and any VPN or proxy."
_KEYRING_CURE = "Unlock the keyring; or keep the key in a file: offramp key set --file"
_DISK_CURE = "The disk is slow, or does not answer (a network's, perhaps)."


def checks(surroundings: Surroundings) -> list[Check]:
    """Every check, ready to run."""
    return [
        *_of_offramp(surroundings),
        *_of_daemon(surroundings),
        *_of_keys(surroundings),
        *_of_backends(surroundings),
        *_of_claude_code(surroundings),
        *_of_records(surroundings),
        *_of_desktop(surroundings),
    ]


def chosen(all_checks: Sequence[Check], names: Sequence[str]) -> list[Check]:
    """Those of `names`, or all; `key` stands for `key zai` and its like too.

    Raises:
        KeyError: a name is no check's.
    """
    for name in names:
        if not any(_is_named(check, name) for check in all_checks):
            raise KeyError(name)
    return [
        check for check in all_checks if not names or any(_is_named(check, name) for name in names)
    ]


def _is_named(check: Check, name: str) -> bool:
    return check.name == name or check.name.startswith(f"{name}-")


def _check(
    name: str, group: str, run: Callable[[], Sequence[Remark]], cure_for_silence: str = ""
) -> Check:
    if not cure_for_silence:
        return Check(name=name, group=group, run=run)
    return Check(name=name, group=group, run=run, cure_for_silence=cure_for_silence)


def _of_offramp(here: Surroundings) -> list[Check]:
    def run_versions() -> Sequence[Remark]:
        return [*check_versions.judge(check_versions.look(here))]

    def run_settings() -> Sequence[Remark]:
        notes = here.loaded.notes if here.loaded else ()
        file = here.paths.config_file
        return [*check_settings.judge(here.problem, notes, file, is_there=file.exists())]

    def run_secrets() -> Sequence[Remark]:
        return [*check_file_modes.judge(here.open_files, here.paths)]

    def run_system() -> Sequence[Remark]:
        return [*check_system.judge(check_system.look(here))]

    group = "Offramp"
    return [
        _check("versions", group, run_versions),
        _check("settings", group, run_settings),
        _check("secrets", group, run_secrets),
        _check("system", group, run_system),
    ]


def _of_daemon(here: Surroundings) -> list[Check]:
    def run_daemon() -> Sequence[Remark]:
        answerer = check_port.answerer_of(check_port.look(here))
        zone = system_zone(here.environ)
        return [*check_daemon.judge(here.status, here.trouble, answerer, now=_now(), zone=zone)]

    def run_port() -> Sequence[Remark]:
        places = check_port.look(here)
        found = check_port.judge(
            places,
            here.port,
            wanted_port=here.settings.port,
            is_running=here.status is not None,
            now=_now(),
        )
        return [*found]

    def run_localhost() -> Sequence[Remark]:
        return [*check_port.judge_localhost(check_port.look_up_localhost())]

    def run_login_item() -> Sequence[Remark]:
        return [*check_login_item.judge(check_login_item.look(here))]

    def run_environment() -> Sequence[Remark]:
        return [*check_environment.judge(check_environment.look(here))]

    group = "Daemon"
    return [
        _check("daemon", group, run_daemon),
        _check("port", group, run_port),
        _check("localhost", group, run_localhost),
        _check("login-item", group, run_login_item),
        _check("environment", group, run_environment),
    ]


def _of_keys(here: Surroundings) -> list[Check]:
    def run_key(backend: Backend) -> Sequence[Remark]:
        return [*check_keys.judge(check_keys.look(here, backend))]

    def run_keyring() -> Sequence[Remark]:
        return [*check_keys.judge_keyring(check_keys.look_at_keyring(here))]

    group = "Keys"
    return [
        *(
            _check(f"key-{backend.name}", group, functools.partial(run_key, backend), _NETWORK_CURE)
            for backend in check_keys.backends_with_key(here)
        ),
        _check("keyring", group, run_keyring, _KEYRING_CURE),
    ]


def _of_backends(here: Surroundings) -> list[Check]:
    def run(backend: Backend) -> Sequence[Remark]:
        return [*check_backends.judge(backend, check_backends.look(here, backend))]

    return [
        _check(
            f"backend-{backend.name}", "Backends", functools.partial(run, backend), _NETWORK_CURE
        )
        for backend in here.backends_in_use
    ]


def _of_claude_code(here: Surroundings) -> list[Check]:
    host = here.settings.host
    url = client_base_url(host=host, port=here.port)
    is_own = functools.partial(leads_here, host=host, port=here.port)

    @functools.cache
    def found() -> tuple[Scope, ...]:
        places = SettingsLocations.for_user(here.environ, home=here.home, folder=here.folder)
        return scopes.read(places, here.environ)

    def run_program() -> Sequence[Remark]:
        return [*check_claude_install.judge(check_claude_install.look(here))]

    def run_address() -> Sequence[Remark]:
        return [*check_claude_settings.judge_address(found(), url, is_own=is_own)]

    def run_login() -> Sequence[Remark]:
        return [
            *check_claude_install.judge_login(check_claude_install.look_for_login(here, found()))
        ]

    def run_models() -> Sequence[Remark]:
        return [*check_claude_settings.judge_models(found(), here.settings)]

    def run_features() -> Sequence[Remark]:
        return [*check_claude_settings.judge_features(found(), is_own=is_own)]

    group = "Claude Code"
    return [
        _check("claude", group, run_program),
        _check("claude-address", group, run_address),
        _check("claude-login", group, run_login),
        _check("claude-models", group, run_models),
        _check("claude-features", group, run_features),
    ]


def _of_records(here: Surroundings) -> list[Check]:
    def run_folder() -> Sequence[Remark]:
        return [*check_records.judge(check_records.look(here.log_dir))]

    def run_records() -> Sequence[Remark]:
        now = _now()
        recorded = check_records.look_at_records(here.log_dir, now)
        return [*check_records.judge_records(recorded, now)]

    group = "Records"
    return [
        _check("log", group, run_folder, _DISK_CURE),
        _check("records", group, run_records, _DISK_CURE),
    ]


def _of_desktop(here: Surroundings) -> list[Check]:
    def run_tray() -> Sequence[Remark]:
        return [*check_desktop.judge(check_desktop.look(here))]

    def run_charts() -> Sequence[Remark]:
        return [*check_desktop.judge_charts(check_desktop.look_for_charts())]

    group = "Desktop"
    return [_check("tray", group, run_tray), _check("charts", group, run_charts)]


def _now() -> datetime:
    return datetime.now(UTC)
