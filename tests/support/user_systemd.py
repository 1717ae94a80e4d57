"""A real `systemd --user` with a home of its own, apart from this machine's.

It runs in mount, process and cgroup namespaces of its own; the network is shared, so that loopback
ports can be reached from the test. Everything in it ends with the context.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import machine_guard
import pytest
from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SYSTEMD = Path("/lib/systemd/systemd")
_CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
_POLL_S = 0.02

# Joins the cgroup before it leaves it: the new namespace begins there. It ends with the tests, even
# with some that were killed.
_OUTSIDE = """
echo $$ >"$1/cgroup.procs"
exec setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --cgroup /bin/sh -eu -c "$2"
"""
# The user's own manager wants what the system's would have made.
_INSIDE = """
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
"$SYSTEMD" --user &
echo ready
while :; do wait || :; sleep 3600; done
"""


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    code: int
    out: str
    err: str


@functools.cache
def reason_to_skip() -> str | None:
    """Why it can't run here; None if it can."""
    if sys.platform != "linux" or not SYSTEMD.exists():
        return "this machine has no systemd"
    if os.geteuid() != 0:
        return "only root may make the namespaces that a private systemd --user needs"
    if not all(map(shutil.which, ("unshare", "nsenter", "setpriv"))):
        return "this machine has no unshare, nsenter, setpriv (Debian: apt-get install util-linux)"
    if _cgroup_root() is None:
        return "no cgroup2 hierarchy is mounted here that could be written to"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--cgroup", "true"],
        capture_output=True,
        check=False,
    )
    return None if done.returncode == 0 else "this container does not allow namespaces of one's own"


@dataclass
class UserSystemd:
    """The manager under way, and the home of the user whom it serves."""

    home: Path
    runtime: Path
    environ: dict[str, str]
    init: int
    """The first process in its namespaces."""

    @property
    def units_dir(self) -> Path:
        return self.home / ".config" / "systemd" / "user"

    async def run(
        self, *command: str, stdin: bytes | None = None, limit_s: float = 60.0, **variables: str
    ) -> Ending:
        """Run a command in its namespaces, to the end."""
        process = await asyncio.create_subprocess_exec(
            *self.entering(*command),
            env={**self.environ, **variables},
            cwd=self.home,
            stdin=DEVNULL if stdin is None else PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            async with asyncio.timeout(limit_s):
                out, err = await process.communicate(stdin)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Ending(process.returncode, out.decode(), err.decode())

    def entering(self, *command: str) -> list[str]:
        """The command line that runs `command` in its namespaces."""
        return ["nsenter", f"--target={self.init}", "--mount", "--pid", "--cgroup", "--", *command]

    async def systemctl(self, *arguments: str) -> str:
        """What `systemctl --user` prints; it must succeed."""
        ending = await self.run("systemctl", "--user", *arguments)
        assert ending.code == 0, ending
        return ending.out.strip()

    async def property_of(self, unit: str, name: str) -> str:
        return await self.systemctl("show", f"--property={name}", "--value", unit)

    async def until(self, unit: str, name: str, is_so: Callable[[str], bool]) -> None:
        """Wait until a property of a unit is as wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so(await self.property_of(unit, name)):  # noqa: ASYNC110 - no event
                await asyncio.sleep(_POLL_S)

    async def pids(self, unit: str) -> list[int]:
        """The processes of a unit, by their numbers outside, the first one first."""
        group = (await self.property_of(unit, "ControlGroup")).lstrip("/")
        inside = Path(f"/proc/{self.init}/root/sys/fs/cgroup") / group / "cgroup.procs"
        return sorted(int(line) for line in inside.read_text().split())


@contextlib.asynccontextmanager
async def user_systemd(home: Path, **variables: str) -> AsyncIterator[UserSystemd]:
    """Start the manager for `home`, which is made where it is missing; skip where it can't be."""
    if (reason := reason_to_skip()) is not None:
        pytest.skip(f"no systemd --user: {reason}")
    # Not below the home, whose path may be too long for a socket's.
    with tempfile.TemporaryDirectory(prefix="offramp-run-") as runtime:
        os.makedirs(home, exist_ok=True)  # noqa: PTH103 - once, before anything runs
        async with _manager(home, Path(runtime), variables) as manager:
            yield manager


@contextlib.asynccontextmanager
async def _manager(
    home: Path, runtime: Path, variables: dict[str, str]
) -> AsyncIterator[UserSystemd]:
    environ = {
        "PATH": machine_guard.real_path(),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        **variables,
    }
    with _cgroup() as cgroup:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-eu", "-c", _OUTSIDE, "sh", str(cgroup), _INSIDE),
            env={**environ, "SYSTEMD": str(SYSTEMD)},
            cwd=home,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(PATIENCE_S):
                assert await process.stdout.readline() == b"ready\n"
                manager = UserSystemd(home, runtime, environ, _only_child(process.pid))
                await _until_running(manager)
            yield manager
        finally:
            process.kill()  # unshare, and by --kill-child everything in its namespaces
            await process.wait()


async def _until_running(manager: UserSystemd) -> None:
    while True:
        ending = await manager.run("systemctl", "--user", "is-system-running")
        if ending.out.strip() in {"running", "degraded"}:
            return
        await asyncio.sleep(_POLL_S)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _cgroup_root() -> Path | None:
    for root in _CGROUPS:
        if (root / "cgroup.procs").exists() and os.access(root, os.W_OK):
            return root
    return None


@contextlib.contextmanager
def _cgroup() -> Iterator[Path]:
    root = _cgroup_root()
    assert root is not None
    group = root / f"offramp-test-{os.getpid()}-{os.urandom(3).hex()}"
    group.mkdir()
    try:
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Remove a cgroup with all below it, once its last processes are gone."""
    for attempt in range(200):
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)  # noqa: PTH106 - os.walk gives text
        except OSError:
            if attempt == 199:
                raise
            time.sleep(_POLL_S)
        else:
            return
