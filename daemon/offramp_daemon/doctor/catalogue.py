"""All checks, in the order in which they are shown: each link of the chain after the one before."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from offramp_core.addresses import client_base_url, leads_here
from offramp_core.claude_settings import scopes
from offramp_core.claude_settings.places import Places
from offramp_core.weeks import system_zone
from offramp_daemon.doctor import (
    backends,
    claude_program,
    claude_variables,
    daemon,
    daemon_environment,
    desktop,
    keys,
    login_item,
    port,
    records_check,
    secret_files,
    settings_check,
    system,
    versions,
)
from offramp_daemon.doctor.running import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offramp_core.claude_settings.scopes import Scope
    from offramp_core.settings import Backend
    from offramp_daemon.doctor.finding import Remark
    from offramp_daemon.doctor.surroundings import Surroundings

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
        return [*versions.judge(versions.look(here))]

    def run_settings() -> Sequence[Remark]:
        notes = here.loaded.notes if here.loaded else ()
        file = here.paths.config_file
        return [*settings_check.judge(here.problem, notes, file, is_there=file.exists())]

    def run_secrets() -> Sequence[Remark]:
        return [*secret_files.judge(here.open_files, here.paths)]

    def run_system() -> Sequence[Remark]:
        return [*system.judge(system.look(here))]

    group = "Offramp"
    return [
        _check("versions", group, run_versions),
        _check("settings", group, run_settings),
        _check("secrets", group, run_secrets),
        _check("system", group, run_system),
    ]


def _of_daemon(here: Surroundings) -> list[Check]:
    def run_daemon() -> Sequence[Remark]:
        answerer = port.answerer_of(port.look(here))
        zone = system_zone(here.environ)
        return [*daemon.judge(here.status, here.trouble, answerer, now=_now(), zone=zone)]

    def run_port() -> Sequence[Remark]:
        places = port.look(here)
        found = port.judge(
            places,
            here.port,
            wanted_port=here.settings.port,
            is_running=here.status is not None,
            now=_now(),
        )
        return [*found]

    def run_localhost() -> Sequence[Remark]:
        return [*port.judge_localhost(port.look_up_localhost())]

    def run_login_item() -> Sequence[Remark]:
        return [*login_item.judge(login_item.look(here))]

    def run_environment() -> Sequence[Remark]:
        return [*daemon_environment.judge(daemon_environment.look(here))]

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
        return [*keys.judge(keys.look(here, backend))]

    def run_keyring() -> Sequence[Remark]:
        return [*keys.judge_keyring(keys.look_at_keyring(here))]

    group = "Keys"
    return [
        *(
            _check(f"key-{backend.name}", group, functools.partial(run_key, backend), _NETWORK_CURE)
            for backend in keys.backends_with_key(here)
        ),
        _check("keyring", group, run_keyring, _KEYRING_CURE),
    ]


def _of_backends(here: Surroundings) -> list[Check]:
    def run(backend: Backend) -> Sequence[Remark]:
        return [*backends.judge(backend, backends.look(here, backend))]

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
        places = Places.for_user(here.environ, home=here.home, folder=here.folder)
        return scopes.read(places, here.environ)

    def run_program() -> Sequence[Remark]:
        return [*claude_program.judge(claude_program.look(here))]

    def run_address() -> Sequence[Remark]:
        return [*claude_variables.judge_address(found(), url, is_own=is_own)]

    def run_login() -> Sequence[Remark]:
        return [*claude_program.judge_login(claude_program.look_for_login(here, found()))]

    def run_models() -> Sequence[Remark]:
        return [*claude_variables.judge_models(found(), here.settings)]

    def run_features() -> Sequence[Remark]:
        return [*claude_variables.judge_features(found(), is_own=is_own)]

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
        return [*records_check.judge(records_check.look(here.log_dir))]

    def run_records() -> Sequence[Remark]:
        now = _now()
        recorded = records_check.look_at_records(here.log_dir, now)
        return [*records_check.judge_records(recorded, now)]

    group = "Records"
    return [
        _check("log", group, run_folder, _DISK_CURE),
        _check("records", group, run_records, _DISK_CURE),
    ]


def _of_desktop(here: Surroundings) -> list[Check]:
    def run_tray() -> Sequence[Remark]:
        return [*desktop.judge(desktop.look(here))]

    def run_charts() -> Sequence[Remark]:
        return [*desktop.judge_charts(desktop.look_for_charts())]

    group = "Desktop"
    return [_check("tray", group, run_tray), _check("charts", group, run_charts)]


def _now() -> datetime:
    return datetime.now(UTC)
