"""Proves the Debian package on bare systems: proof.py OLDER.deb NEWER.deb [SUITE...].

In each system apt installs the older package, two users set Offramp up in a `systemd --user` of
their own, the window draws a picture, dpkg upgrades while 20 streams run, and the package is
removed while one user is logged in and the other is not. The services are simulated. Needs root,
debootstrap and cgroup2; the picture and a log stay in .cache/fresh.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

_TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_TOP / "daemon"), str(_TOP / "tests" / "support")]

from daemon_process import free_port, read_records  # noqa: E402 - found by the line above
from proxy_harness import ZAI_KEY  # noqa: E402 - the same
from stream_load import StreamLoad  # noqa: E402 - the same

from offramp_simulator import Simulator  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SUITES = ("bookworm", "trixie", "testing")
LANES = 20
PROGRAMS = 3
"""A supervisor, a worker and a tray."""
STORE = _TOP / ".cache" / "fresh"
_PATIENCE_S = 120.0
_CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))

# Joins the cgroup before it leaves it: the new namespace begins there. It ends with this process.
_OUTSIDE = """
echo $$ >"$1/cgroup.procs"
exec setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --cgroup \
    --propagation private sh -eu -c "$2" sh "$3" "$4"
"""
_INSIDE = """
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
mkdir -p "$1/run/systemd/system" "$1/run/user"
mkdir -p "$1/sys/fs/cgroup"
mount -t sysfs sysfs "$1/sys"
mount -t tmpfs tmpfs "$1/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount --bind "$2" "$1/var/cache/apt/archives"
echo ready
while :; do sleep 3600; done
"""
_LOGIN = """
group=/sys/fs/cgroup/$USER
mkdir -p "$group" "$XDG_RUNTIME_DIR"
echo $$ >"$group/cgroup.procs"
chown -R "$USER": "$group" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
exec runuser -u "$USER" -- /lib/systemd/systemd --user
"""


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass
class System:
    """A bare Debian under way, in namespaces of its own."""

    suite: str
    root: Path
    init: int
    network: dict[str, str]
    """What this machine needs to reach the network."""

    async def start(
        self, *command: str, environ: dict[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start a command as root; what it prints on both streams can be read."""
        inside = [
            *("nsenter", f"--target={self.init}", "--mount", "--pid", "--cgroup", "--"),
            *("chroot", str(self.root), "/usr/bin/env", "-i"),
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
            *(f"{name}={value}" for name, value in (environ or {}).items()),
        ]
        return await asyncio.create_subprocess_exec(
            *inside,
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    async def run(
        self, *command: str, environ: dict[str, str] | None = None, ok: bool = True
    ) -> str:
        """Run a command as root, to the end; what it printed on both streams."""
        process = await self.start(*command, environ=environ)
        out, _ = await process.communicate()
        text = out.decode(errors="replace")
        with (STORE / f"deb-{self.suite}.log").open("a") as log:
            log.write(f"$ {shlex.join(command)}\n{text}")
        if ok and process.returncode != 0:
            raise AssertionError(f"{shlex.join(command)} ended with {process.returncode}:\n{text}")
        return text

    async def apt(self, *arguments: str) -> str:
        """Run apt-get."""
        return await self.run(
            "apt-get",
            "-y",
            *arguments,
            environ={"DEBIAN_FRONTEND": "noninteractive", **self.network},
        )

    @property
    def program(self) -> Path:
        """The package's folder, seen from outside."""
        return self.root / "usr" / "lib" / "offramp"


@dataclass
class User:
    """Somebody with a home and a service manager in such a system."""

    system: System
    name: str
    uid: int
    port: int
    manager: asyncio.subprocess.Process | None = None

    @property
    def home(self) -> Path:
        """The user's home, seen from outside."""
        return self.system.root / "home" / self.name

    @property
    def environ(self) -> dict[str, str]:
        """What a login session has."""
        runtime = f"/run/user/{self.uid}"
        return {
            "HOME": f"/home/{self.name}",
            "USER": self.name,
            "XDG_RUNTIME_DIR": runtime,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
            "QT_QPA_PLATFORM": "offscreen",
        }

    async def run(self, *command: str, ok: bool = True) -> str:
        """Run a command as this user."""
        words = ("runuser", "-u", self.name, "--", *command)
        return await self.system.run(*words, environ=self.environ, ok=ok)

    async def log_in(self) -> None:
        """Start the user's service manager."""
        self.manager = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={self.system.init}", "--mount", "--pid", "--cgroup", "--"),
            *("chroot", str(self.system.root), "sh", "-eu", "-c", _LOGIN),
            env={**self.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await _until(f"{self.name} is logged in", self._is_logged_in)

    async def _is_logged_in(self) -> bool:
        state = await self.run("systemctl", "--user", "is-system-running", ok=False)
        return state.strip() in {"running", "degraded"}

    async def log_out(self) -> None:
        """End the service manager, and all that it runs."""
        await self.run("systemctl", "--user", "exit")
        assert self.manager is not None
        await self.manager.wait()

    async def status(self) -> dict[str, object] | None:
        """What the daemon says of itself; None while none does."""
        text = await self.run("offramp", "status", "--json", ok=False)
        with contextlib.suppress(json.JSONDecodeError):
            found = json.loads(text)
            return found if isinstance(found, dict) else None
        return None

    async def programs(self) -> dict[str, int]:
        """How many of the user's processes run from each folder of the package."""
        return await _programs(self.system, "-user", self.name)

    @property
    def claude_settings(self) -> Path:
        """Claude Code's own file."""
        return self.home / ".claude" / "settings.json"

    @property
    def units(self) -> list[str]:
        """The files of Offramp's login items."""
        folders = (".config/systemd/user", ".config/autostart")
        return sorted(
            str(file.relative_to(self.home))
            for folder in folders
            for file in (self.home / folder).rglob("offramp*")
        )


async def _programs(system: System, *tests: str) -> dict[str, int]:
    """How many processes run from each folder of the package."""
    listed = await system.run(
        *("find", "/proc", "-maxdepth", "2", "-path", "/proc/[0-9]*/exe", *tests),
        *("-lname", "/usr/lib/offramp/*", "-printf", "%l\\n"),
        ok=False,
    )
    lines = [line for line in listed.splitlines() if line.startswith("/usr/lib/offramp/")]
    return dict(Counter(line.split("/")[4] for line in lines))


async def _until(what: str, is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until an async question is answered with yes."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while not await is_so():
        assert time.monotonic() < deadline_s, f"In vain: until {what}."
        await asyncio.sleep(0.2)


def _shell(script: str, *arguments: str) -> str:
    """Run a piece of shell in the checkout's top folder; what it printed."""
    done = subprocess.run(
        ["sh", "-eu", "-c", script, "sh", *arguments],
        cwd=_TOP,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@contextlib.asynccontextmanager
async def _system(suite: str) -> AsyncIterator[System]:
    """A copy of a bare system, started; it goes with its processes."""
    root = STORE / f"deb-{suite}"
    (STORE / f"deb-{suite}.log").unlink(missing_ok=True)
    _shell(
        ". packaging/bare-system.sh; need debootstrap unshare; choose_mirror package-test; "
        'make_system "$1"; copy_system "$1" "$2"',
        *(suite, str(root)),
    )
    lines = _shell(". packaging/bare.sh; network_variables").splitlines()
    network = dict(line.split("=", 1) for line in lines)
    group = (
        next(each for each in _CGROUPS if (each / "cgroup.procs").exists())
        / f"offramp-deb-{os.getpid()}"
    )
    group.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(
            "sh",
            "-eu",
            "-c",
            _OUTSIDE,
            "sh",
            str(group),
            _INSIDE,
            str(root),
            str(STORE / "archives"),
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield System(suite, root, _only_child(process.pid), network)
    finally:
        process.kill()  # unshare, and by --kill-child everything in its namespaces
        await process.wait()
        for _ in range(100):
            if _is_removed(group):
                break
            await asyncio.sleep(0.1)
        shutil.rmtree(root, ignore_errors=True)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _cgroup() -> Path:
    top = next(each for each in _CGROUPS if (each / "cgroup.procs").exists())
    group = top / f"offramp-deb-{os.getpid()}"
    group.mkdir()
    return group


def _is_removed(group: Path) -> bool:
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True


async def _add_user(system: System, name: str, uid: int, sim: Simulator) -> User:
    """Add somebody who logs in and sets Offramp up, connected with Claude Code."""
    await system.run("useradd", "--create-home", "--uid", str(uid), "--shell", "/bin/sh", name)
    user = User(system, name, uid, free_port())
    config = user.home / ".config" / "offramp" / "config.toml"
    config.parent.mkdir(parents=True)
    user.claude_settings.parent.mkdir()
    user.claude_settings.write_text('{"theme": "dark"}\n')
    config.write_text(
        f'port = {user.port}\n[backend.anthropic]\nbase_url = "{sim.anthropic_url}"\n'
        f'[backend.zai]\nbase_url = "{sim.zai_url}"\nkey = "{ZAI_KEY}"\n'
    )
    config.chmod(0o600)
    await system.run("chown", "-R", f"{name}:", f"/home/{name}")
    await user.log_in()
    await user.run("offramp", "install", "--yes", "--connect")
    assert f"http://localhost:{user.port}" in user.claude_settings.read_text()
    assert (
        'ExecStart="/usr/bin/offramp-daemon"'
        in (user.home / ".config/systemd/user/offramp.service").read_text()
    )
    return user


async def _prove_upgrade(system: System, alice: User, newer: str) -> None:
    """Have dpkg upgrade while streams run: none is cut, each is on record, and everybody moves."""
    before = await alice.status()
    await system.start("runuser", "-u", alice.name, "--", "offramp", "tray", environ=alice.environ)

    async def runs_everything() -> bool:
        return sum((await alice.programs()).values()) == PROGRAMS

    await _until("supervisor, worker and tray run", runs_everything)
    (old,) = await alice.programs()
    load = StreamLoad(f"http://127.0.0.1:{alice.port}", lanes=LANES)
    async with load.running(long_stream_s=20.0):
        await load.until_streams(LANES)
        said = await system.run("dpkg", "--install", newer)
        assert "warning" not in said, said
        assert (system.program / old / "offramp").exists()

        async def has_moved() -> bool:
            status = await alice.status()
            return status is not None and before is not None and status["pid"] != before["pid"]

        await _until("another daemon serves", has_moved)
        await load.until_streams(LANES)
    assert load.failures == [], load.failures

    async def runs_everything_new() -> bool:
        programs = await alice.programs()
        return old not in programs and sum(programs.values()) == PROGRAMS

    await _until("supervisor, worker and tray are those of the new version", runs_everything_new)
    records = read_records(alice.home / ".local/share/offramp/log")
    assert [record.status for record in records] == ["success"] * len(load.outcomes), records
    _say(
        f"  upgrade: {len(load.outcomes)} streams, none cut, each on record; the tray moved too; "
        f"first byte after {load.latest_first_byte_s:.2f} s at most"
    )


async def _prove_picture(alice: User) -> None:
    picture = STORE / f"deb-{alice.system.suite}.png"
    await alice.run("offramp", "charts", "--screenshot", "/tmp/charts.png", "--size", "1280x800")
    shutil.copy(alice.system.root / "tmp" / "charts.png", picture)
    assert picture.stat().st_size > 20_000
    _say(f"  window: {picture}")


async def _prove_removal(system: System, alice: User, bob: User) -> None:
    """Alice is logged in, Bob is not: he gets a command, which works when he is back."""
    await bob.log_out()
    said = await system.apt("remove", "offramp")
    assert alice.units == [], alice.units
    assert json.loads(alice.claude_settings.read_text()) == {"theme": "dark"}
    assert await alice.programs() == {}
    assert "offramp" not in await alice.run("systemctl", "--user", "list-units", "--all", "--plain")
    assert read_records(alice.home / ".local/share/offramp/log")
    assert json.loads(bob.claude_settings.read_text()) == {"theme": "dark"}
    command = "/usr/lib/offramp/current/offramp uninstall"
    assert command in [line.strip() for line in said.splitlines()], said
    await bob.log_in()
    await bob.run(*command.split())
    assert bob.units == [], bob.units
    await system.apt("purge", "offramp")
    assert (bob.home / ".config/offramp/config.toml").exists()
    _say("  removal: Claude Code disconnected, no unit left; who was logged out had a command")


async def _prove_reinstall(system: System, alice: User, newer: str) -> None:
    """Once more, and everybody can be reached: nothing of the program stays."""
    shutil.rmtree(system.program, ignore_errors=True)
    await system.apt("install", newer)
    await alice.run("offramp", "install", "--yes", "--connect")
    assert await alice.status() is not None
    await system.apt("purge", "offramp")
    assert not system.program.exists(), list(system.program.iterdir())
    assert alice.units == []
    assert await system.run("dpkg", "--audit") == ""
    _say("  purge: nothing of the program left")


async def prove(suite: str, older: Path, newer: Path) -> None:
    """Do all of it on one system."""
    _say(f"== {suite} ==")
    async with Simulator.start(zai_key=ZAI_KEY) as sim, _system(suite) as system:
        for package in (older, newer):
            shutil.copy(package, system.root / "var" / "tmp")
        # A mirror may be older than testing's lists are valid for.
        await system.apt("-o", "Acquire::Check-Valid-Until=false", "update")
        await system.apt("install", f"/var/tmp/{older.name}")
        assert await _programs(system) == {}
        alice = await _add_user(system, "alice", 1001, sim)
        bob = await _add_user(system, "bob", 1002, sim)
        _say("  apt installed it, two users set it up, and both daemons serve")
        await _prove_upgrade(system, alice, f"/var/tmp/{newer.name}")
        await _prove_picture(alice)
        await _prove_removal(system, alice, bob)
        await _prove_reinstall(system, alice, f"/var/tmp/{newer.name}")
        assert not sim.leaks


async def alice_free(system: System) -> bool:
    """Whether installing the package has started nothing."""
    listed = await system.run(
        "find", "/proc", "-maxdepth", "2", "-name", "exe", "-lname", "/usr/lib/offramp/*", ok=False
    )
    return "/proc/" not in "".join(
        line for line in listed.splitlines() if "No such file" not in line
    )


def main() -> None:
    """Prove the packages on each suite."""
    older, newer, *suites = sys.argv[1:]
    for suite in suites or SUITES:
        asyncio.run(prove(suite, Path(older), Path(newer)))


if __name__ == "__main__":
    main()
