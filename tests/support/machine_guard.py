"""Keeps the tests away from the machine of whoever runs them; a plugin of pytest.

Programs that would change or show something (launchctl, systemctl, security, osascript, ...) are
stand-ins that come first on the path: they record their arguments, and answer as where there is no
such service. HOME is an empty folder. Who gets past that, by a path or an address of the system's,
fails the test, also from a process that the test started. What needs the real thing starts its own
(user_systemd, private_bus, keyring_harness), with `real_path()`.

At the end the real home is looked at: nothing of Offramp may have come, gone or changed there.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_FOLDER = "OWN_MACHINE_OF_THE_TESTS"
"""The variable that leads to the folder of the process that started the run."""
_REAL_PATH = "PATH_OUTSIDE_THE_TESTS"
_LEFT_OUT = (
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"),
    *("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "CLAUDE_CONFIG_DIR"),
)
_SYSTEM_BUSES = ("/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket")
_UNIX = "unix:path="
_LOGIN_ITEMS = (
    *(".config/systemd/user", ".config/autostart", ".local/share/systemd/user"),
    *("Library/LaunchAgents", ".local/bin", ".local/share/applications"),
)
_LONG_PATH = 16
"""More than /private/tmp has. A Unix socket's path may have 104 characters on macOS, and its own
temporary folder (/private/var/folders/…/T) takes 50 of them."""
_LONG_BASE = 50
"""As long may be what --basetemp names; what a test adds takes the rest."""

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

_homes_key = pytest.StashKey["_Homes"]()


@functools.cache
def folder() -> Path:
    """A folder of this process: stand-ins, a home, what was recorded; gone at its end."""
    made = Path(tempfile.mkdtemp(prefix="own-", dir=os.environ.get(_FOLDER) or _short_root()))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    (made / "home").mkdir()
    (made / "bin").mkdir()
    shutil.copytree(_HERE / "in_children", made / "python", ignore=lambda *_: ["__pycache__"])
    sys.path.insert(0, str(made / "python"))
    import reach_guard

    if (simulation := sys.modules.get("on_darwin")) is not None:
        shutil.copy(str(simulation.__file__), made / "python")
    for name in reach_guard.PROGRAMS:
        shutil.copy(_HERE / "stand_in.sh", made / "bin" / name)
    folders = os.get_exec_path({"PATH": real_path()})
    text = "\n".join(folders) + "\n\n" + "\n".join(_own_buses(os.environ))
    (made / "guarded").write_text(text, encoding="utf-8")
    return made


def python_folder() -> str:
    """What comes first on the import path of a process that a test starts."""
    return str(folder() / "python")


def real_path() -> str:
    """The PATH of this machine's own programs, for what runs in namespaces of its own."""
    return os.environ.get(_REAL_PATH) or os.environ.get("PATH", os.defpath)


def recorded() -> list[str]:
    """What the stand-ins were called with in this process's time, in order."""
    return _lines("ran")


def reached() -> list[str]:
    """What was reached for, and refused, in this process's time."""
    return _lines("reached")


def forgive() -> None:
    """Forget what was reached for: the test that calls this meant to."""
    (folder() / "reached").unlink(missing_ok=True)


def _lines(name: str) -> list[str]:
    file = folder() / name
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _short_root() -> str | None:
    """A place for temporary folders whose path is short; None where the usual one's is."""
    return "/tmp" if len(os.path.realpath(tempfile.gettempdir())) > _LONG_PATH else None


def _own_buses(environ: os._Environ[str]) -> list[str]:
    """The sockets of the user's session and of the system, in every spelling of them."""
    sockets = list(_SYSTEM_BUSES)
    for name in ("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"):
        parts = environ.get(name, "").replace(";", ",").split(",")
        sockets += [part[len(_UNIX) :] for part in parts if part.startswith(_UNIX)]
    for runtime in (environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"):
        if runtime:
            sockets += [
                f"{runtime}/{name}" for name in ("bus", "systemd/private", "keyring/control")
            ]
    return sockets


def _protect() -> None:
    """Have this process, and what it starts, find the stand-ins and an empty home."""
    path = real_path()
    own = folder()
    import reach_guard

    reach_guard.install_from(str(own))
    os.environ.setdefault(_FOLDER, str(own))
    os.environ[_REAL_PATH] = path
    os.environ["PATH"] = f"{own / 'bin'}{os.pathsep}{path}"
    os.environ["HOME"] = str(own / "home")
    for name in _LEFT_OUT:
        os.environ.pop(name, None)


def _hand_on_no_ignored_signals() -> None:
    """Go on ignoring what this run ignores, but have what it starts begin as usual.

    `nohup`, and a shell that starts a run in the background, ignore signals for all that comes
    after, and a shell can't catch one that was ignored when it began. A handler is not inherited.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


class _Homes:
    """The user's own homes: the one in the environment, and that of the account."""

    def __init__(self) -> None:
        self._folders = {pwd.getpwuid(os.getuid()).pw_dir, os.environ.get("HOME", "/")}
        self._before = self._login_items()

    def changed(self) -> list[str]:
        """The files of Offramp's that came, went or changed where login items belong."""
        before, after = self._before, self._login_items()
        return sorted(
            file for file in before.keys() | after.keys() if before.get(file) != after.get(file)
        )

    def _login_items(self) -> dict[str, tuple[int, int]]:
        places = [Path(home, place) for home in self._folders for place in _LOGIN_ITEMS]
        files = [file for place in places for file in place.glob("*offramp*")]
        return {str(file): (file.lstat().st_size, file.lstat().st_mtime_ns) for file in files}


def _shorten_base(config: pytest.Config) -> None:
    """Have the tests' folders in a place with a short path, were another one asked for."""
    wanted = config.option.basetemp
    root = _short_root() if wanted is None else "/tmp"
    if root is None or (wanted is not None and len(os.path.realpath(wanted)) <= _LONG_BASE):
        return
    base = tempfile.mkdtemp(prefix="pytest-", dir=root)
    config.option.basetemp = base
    config.add_cleanup(lambda: shutil.rmtree(base, ignore_errors=True))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Before anything is collected; in each of xdist's processes too."""
    is_first = not hasattr(config, "workerinput")
    if is_first:
        config.stash[_homes_key] = _Homes()
        _shorten_base(config)
    _protect()


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Once xdist has started its processes, which inherit what this one ignores."""
    _hand_on_no_ignored_signals()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail the test that reached for what is not its own, whatever came of it."""
    yield
    lines = reached()
    if lines:
        forgive()
        pytest.fail(f"reached past the tests: {', '.join(lines)}", pytrace=False)
    del item


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where the real home is another one than before."""
    homes = session.config.stash.get(_homes_key, None)
    if homes is not None and homes.changed():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name what changed there."""
    homes = config.stash.get(_homes_key, None)
    for line in homes.changed() if homes is not None else []:
        terminalreporter.write_line(f"The tests changed this user's own home: {line}", red=True)
