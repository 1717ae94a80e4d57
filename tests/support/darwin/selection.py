"""Which tests run where Linux takes itself for macOS; a plugin of pytest.

All do, but for two kinds, which are counted above the first test: those whose code asks nowhere
which system it is on, and those that only a Mac's kernel can answer. What a Mac skips is skipped
here by the same marks.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_CHOSEN = "FOLDERS_LEFT_OUT_OF_THE_SIMULATION"

CODE_OF = {
    "tests/daemon/autopilot": "daemon/offramp_daemon/autopilot",
    "tests/daemon/messages": "daemon/offramp_daemon/messages",
    "tests/daemon/proxy": "daemon/offramp_daemon/proxy",
    "tests/daemon/quota": "daemon/offramp_daemon/quota",
    "tests/daemon/resilience": "daemon/offramp_daemon/resilience",
    "tests/daemon/routing": "daemon/offramp_daemon/routing",
    "tests/daemon/services": "daemon/offramp_daemon/services",
    "tests/daemon/wire": "daemon/offramp_daemon/wire",
    "tests/dashboard/data": "dashboard_qt/offramp_dashboard/data",
    "tests/dashboard/models": "dashboard_qt/offramp_dashboard/models",
    "tests/dashboard/settings_page": "dashboard_qt/offramp_dashboard/settings_page",
    "tests/dashboard/views": "dashboard_qt/offramp_dashboard/views",
    "tests/dashboard/window": "dashboard_qt/offramp_dashboard/window",
    "tests/cli/demo": "daemon/offramp_cli/demo",
    "tests/cli/whatif": "daemon/offramp_cli/whatif",
    "tests/fuzz": "daemon/offramp_daemon/messages",
    "tests/simulator": "daemon/offramp_simulator",
}
"""The large folders of tests, and the code that each is about. They would take most of the time to
say the same again; a folder whose code does ask for the system runs, and so does one that is named
on the command line."""

SYSTEM_WORDS = ("sys.platform", "platform.system", "os.name", "os.uname", "darwin")
"""How code asks for it."""

NEEDS_A_MAC = {
    "tests/tray/state/test_folder_watch.py": "Linux has no kqueue",
    "tests/tray/state/test_daemon_watcher.py::test_a_daemon_that_comes_is_noticed": "no kqueue",
    "tests/tray/state/test_daemon_watcher.py::test_stop_ends_a_stream_that_waits": "no kqueue",
    "tests/daemon/server/test_tcp_owner.py::test_own_connection_is_found_on_macos": "no sysctl",
    "tests/cli/doctor/checks/test_check_users.py::test_owners_are_known_on_this": "no sysctl",
    "tests/cli/doctor/test_command.py::test_healthy_machine_has_no_failure": "no sysctl",
}
"""Tests of calls that only macOS has, by the beginnings of their names."""


@functools.cache
def left_out(*, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The folders whose code asks for no system, but for those that `named` lead to."""
    wanted = [Path(word.partition("::")[0]).resolve() for word in named]
    return tuple(
        place
        for place, code in CODE_OF.items()
        if not asks_for_the_system(ROOT / code)
        and not any(_is_one_in_the_other(each, ROOT / place) for each in wanted)
    )


def _is_one_in_the_other(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def asks_for_the_system(folder: Path) -> bool:
    """Whether any module in there does."""
    texts = (file.read_text(encoding="utf-8") for file in folder.rglob("*.py"))
    return any(word in text for text in texts for word in SYSTEM_WORDS)


def pytest_configure(config: pytest.Config) -> None:
    """Decide, for xdist's processes too: for those every path is a named one."""
    if not hasattr(config, "workerinput"):
        is_named = config.args_source is pytest.Config.ArgsSource.ARGS
        chosen = left_out(named=tuple(config.args) if is_named else ())
        os.environ[_CHOSEN] = os.pathsep.join(chosen)


def _chosen() -> list[str]:
    return [place for place in os.environ[_CHOSEN].split(os.pathsep) if place]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out whole folders."""
    inside = collection_path.is_relative_to(ROOT)
    if inside and collection_path.relative_to(ROOT).as_posix() in _chosen():
        return True
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out single tests."""
    unable = [item for item in items if item.nodeid.startswith(tuple(NEEDS_A_MAC))]
    if unable:
        config.hook.pytest_deselected(items=unable)
        items[:] = [item for item in items if not item.nodeid.startswith(tuple(NEEDS_A_MAC))]


def pytest_report_header() -> list[str]:
    """Say at the top what will not be run, and why."""
    files = [file for place in _chosen() for file in (ROOT / place).rglob("test_*.py")]
    return [
        "macOS is simulated on Linux; the rules are in tests/support/darwin/selection.py.",
        f"Not run, as their code asks for no system: {len(files)} files of tests.",
        f"Not run, as they need a Mac's kernel: {', '.join(NEEDS_A_MAC)}",
    ]
