"""Keyrings of a test's own: a fake one, none at all, or a real one on a private bus."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import machine_guard
from patience import PATIENCE_S

import offramp_core

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKE = "fake_keyrings.FakeKeyring"
FORGETFUL = "fake_keyrings.ForgetfulKeyring"
TALKATIVE = "fake_keyrings.TalkativeKeyring"
NONE = "keyring.backends.fail.Keyring"
NULL = "keyring.backends.null.Keyring"

_HERE = str(Path(__file__).parent)
_SOURCES = Path(offramp_core.__file__).parents[1]
_BUS = """\
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


@dataclass(frozen=True)
class FakeKeyring:
    """Where it keeps its keys, and the variables that make a process use it."""

    folder: Path
    kind: str = FAKE

    @property
    def file(self) -> Path:
        return self.folder / "keyring.json"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PYTHON_KEYRING_BACKEND": self.kind,
            "FAKE_KEYRING": str(self.file),
            "PYTHONPATH": os.pathsep.join((machine_guard.python_folder(), str(_SOURCES), _HERE)),
        }

    def be(self, state: str) -> None:
        """Be `locked`, `blocked` or `failing`, or in good order again with an empty text."""
        new = self.folder / "state.new"
        new.write_text(state)
        new.replace(self.folder / "state")

    def keys(self) -> dict[str, str]:
        """What it holds, by backend; each key belongs to one service."""
        entries: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return {name.rpartition("/")[2]: key for name, key in entries.items()}

    def replace(self, backend: str, key: str) -> None:
        """Change a key as another program would."""
        entries = json.loads(self.file.read_text())
        new = {n: key if n.endswith(f"/{backend}") else k for n, k in entries.items()}
        self.file.write_text(json.dumps(new))


def has_real_keyring() -> bool:
    return sys.platform == "linux" and all(
        map(shutil.which, ("gnome-keyring-daemon", "dbus-daemon"))
    )


@contextlib.contextmanager
def real_keyring(folder: Path) -> Iterator[dict[str, str]]:
    """An unlocked gnome-keyring on a bus of its own; gives the variables that lead to it.

    `folder` should have a short path: a socket's name is limited.
    """
    socket = folder / "bus"
    config = folder / "bus.conf"
    config.write_text(_BUS.format(socket=socket))
    for name in ("data", "run"):
        (folder / name).mkdir(mode=0o700)
    variables = {
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
        "PYTHONPATH": os.pathsep.join((machine_guard.python_folder(), str(_SOURCES))),
    }
    environ = {"PATH": os.environ["PATH"], **variables}
    with contextlib.ExitStack() as stack:
        bus = _run(stack, ["dbus-daemon", f"--config-file={config}", "--nofork"], environ)
        _wait_for(socket.exists, bus)
        command = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
        service = _run(stack, command, environ)
        assert service.stdin is not None
        service.stdin.write(b"a password of the test's")
        service.stdin.close()
        _wait_for(lambda: _has_unlocked_collection(variables), service)
        yield variables


def lock(variables: dict[str, str]) -> None:
    """Lock the real keyring, as a screen saver may."""
    with _default_collection(variables) as collection:
        collection.lock()


def _run(
    stack: contextlib.ExitStack, command: list[str], environ: dict[str, str]
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def _wait_for(is_so, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert process.poll() is None, f"{process.args!r} ended"
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def _has_unlocked_collection(variables: dict[str, str]) -> bool:
    from secretstorage.exceptions import SecretStorageException

    try:
        with _default_collection(variables) as collection:
            return not collection.is_locked()
    except SecretStorageException:
        return False


@contextlib.contextmanager
def _default_collection(variables: dict[str, str]):
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection
    from secretstorage.collection import DEFAULT_COLLECTION

    with open_dbus_connection(variables["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        yield secretstorage.Collection(bus, DEFAULT_COLLECTION)
