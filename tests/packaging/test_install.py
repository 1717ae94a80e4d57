"""`make install`, its upgrade and `make uninstall` in a real `systemd --user`, without network.

The checkout is a copy whose pins name nothing: the packages are those of the environment that runs
the tests, seen by PYTHONPATH. All else is as it is for a user, pip and the build included.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import sysconfig
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import free_port
from patience import PATIENCE_S
from private_bus import private_bus
from user_systemd import Ending, UserSystemd, user_systemd

from offramp_core import running_tray

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from private_bus import PrivateBus

    from offramp_core.running_tray import TrayRecord

CHECKOUT = Path(__file__).parents[2]
_COPIED = ("daemon", "tray", "dashboard_qt", "packaging", "constraints")
_FILES = ("pyproject.toml", "README.md", "LICENSE", "Makefile")


pytestmark = pytest.mark.root


@dataclass
class Desk:
    """A user with a checkout."""

    systemd: UserSystemd
    checkout: Path

    @property
    def home(self) -> Path:
        return self.systemd.home

    @property
    def app(self) -> Path:
        return self.home / ".local" / "share" / "offramp-app"

    @property
    def environments(self) -> list[Path]:
        return sorted(self.app.glob("env-*"))

    @property
    def current(self) -> Path:
        return self.app.joinpath("current").readlink()

    @property
    def link(self) -> Path:
        return self.home / ".local" / "bin" / "offramp"

    async def make(self, target: str, arguments: str = "", **variables: str) -> Ending:
        return await self.systemd.run(
            *("make", "-C", str(self.checkout), target),
            f"PYTHON={sys.executable}",
            f"ARGS={arguments}",
            limit_s=200,
            **variables,
        )

    async def offramp(self, *arguments: str) -> Ending:
        return await self.systemd.run(str(self.link), *arguments)

    async def until_daemon_is_of(self, environment: Path) -> None:
        """Wait until every process of the service runs from there.

        After a handover the old worker ends a moment later than the command that asked for it.
        """
        async with asyncio.timeout(PATIENCE_S):
            while not await self._is_daemon_of(environment):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)

    async def _is_daemon_of(self, environment: Path) -> bool:
        pids = await self.systemd.pids("offramp.service")
        try:
            return bool(pids) and all(str(environment) in _command_line(pid) for pid in pids)
        except (FileNotFoundError, ProcessLookupError):  # one has ended since
            return False

    @property
    def tray_file(self) -> Path:
        return self.systemd.runtime / "offramp" / "tray.lock"

    @property
    def trays(self) -> list[int]:
        """The processes of this home's tray, by their numbers outside."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with contextlib.suppress(OSError):
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    if words[1:3] == [os.fsencode(self.link), b"tray"]:
                        found.append(int(folder.name))
        return found

    async def start_tray(self, bus: PrivateBus) -> asyncio.subprocess.Process:
        """Start it as the desktop does, and wait until it is there."""
        process = await asyncio.create_subprocess_exec(
            *self.systemd.entering(str(self.link), "tray"),
            env={**self.systemd.environ, **bus.environ},
            stdin=DEVNULL,
        )
        await self.until_tray(lambda tray: tray is not None)
        return process

    async def until_tray(self, is_so: Callable[[TrayRecord | None], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so(running_tray.find(self.tray_file)):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)

    async def until_tray_is_of(self, environment: Path) -> None:
        """Wait until the tray runs from there."""
        async with asyncio.timeout(PATIENCE_S):
            while not all(  # noqa: ASYNC110 - no event
                str(environment) in _command_line(pid) for pid in self.trays
            ):
                await asyncio.sleep(0.05)

    def take_turn(self, *, pid: int) -> None:
        """Be another `make install`, of that process."""
        turn = self.app / ".installing"
        turn.mkdir(parents=True)
        (turn / "pid").write_text(f"{pid}\n")

    def change_source(self) -> None:
        module = self.checkout / "daemon" / "offramp_core" / "wording" / "formatting.py"
        module.write_text(module.read_text() + "\n# Another one.\n")


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    if shutil.which("make") is None:
        pytest.skip("this machine has no make")
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    for folder in _COPIED:
        shutil.copytree(
            CHECKOUT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in _FILES:
        shutil.copy(CHECKOUT / file, checkout / file)
    for pins in checkout.glob("constraints/*.txt"):
        pins.write_text("# Nothing: this environment has it all.\n")
    variables = {
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    home = tmp_path / "home"
    config = home / ".config" / "offramp" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"port = {free_port()}\n")
    async with user_systemd(home, **variables) as systemd:
        yield Desk(systemd, checkout)


async def test_install_outlives_a_failed_upgrade_and_its_checkout(desk: Desk) -> None:
    desk.take_turn(pid=999_999_999)  # of one that was killed
    ending = await desk.make("install", "--yes --no-connect")
    assert ending.code == 0, ending
    assert "The daemon serves at" in ending.out
    assert ".local/bin is not on your PATH" in ending.out
    installed = desk.current
    assert desk.link.resolve().is_relative_to(installed)
    same = await desk.make("install", "--yes --no-connect")
    assert same.code == 0
    assert "up to date" in same.out
    desk.change_source()
    (desk.checkout / "constraints" / "app.txt").write_text("no-such-package==1 --hash=sha256:00\n")
    failed = await desk.make("install", "--yes --no-connect")
    assert failed.code != 0
    assert "installing the pinned packages failed" in failed.err
    assert desk.environments == [installed]
    assert desk.current == installed
    shutil.rmtree(desk.checkout)
    await desk.until_daemon_is_of(installed)
    assert (await desk.offramp("restart")).code == 0
    assert (await desk.offramp("status")).code == 0
    gone = await desk.offramp("uninstall")
    assert gone.code == 0, gone
    assert not desk.app.exists()
    assert not desk.link.is_symlink()
    assert not list(desk.systemd.units_dir.glob("offramp*"))


async def test_another_install_upgrades_and_keeps_one_environment_back(desk: Desk) -> None:
    assert (await desk.make("install", "--yes")).code == 0
    (first,) = desk.environments
    for _ in range(2):
        before = desk.current
        desk.change_source()
        upgraded = await desk.make("install", "--yes")
        assert upgraded.code == 0, upgraded
        assert "restarted" in upgraded.out
        assert sorted([before, desk.current]) == desk.environments
        assert desk.current != before
    assert first not in desk.environments
    said = await desk.make("uninstall", "--purge --yes")
    assert said.code == 0, said
    assert not desk.app.exists()


async def test_dry_run_installs_nothing_and_a_broken_off_upgrade_is_taken_up(desk: Desk) -> None:
    first = await desk.make("install", "--dry-run")
    assert first.code == 0, first
    assert "Nothing was changed." in first.out
    assert not desk.app.exists()
    assert (await desk.make("install", "--yes")).code == 0
    installed = desk.current
    desk.change_source()
    dry = await desk.make("install", "--yes --dry-run")
    assert dry.code == 0, dry
    assert "would be installed" in dry.out
    assert desk.environments == [installed]
    broken_off = await desk.make("install", "--week nonsense")
    assert broken_off.code != 0
    assert desk.current != installed
    await desk.until_daemon_is_of(installed)
    taken_up = await desk.make("install", "--yes")
    assert taken_up.code == 0, taken_up
    assert "restarted" in taken_up.out
    await desk.until_daemon_is_of(desk.current)


async def test_environment_that_something_runs_from_outlives_two_upgrades(desk: Desk) -> None:
    assert (await desk.make("install", "--yes")).code == 0
    first = desk.current
    waiting = await asyncio.create_subprocess_exec(
        *desk.systemd.entering(str(first / "bin" / "python"), "-c", "input()"), stdin=PIPE
    )
    try:
        for _ in range(2):
            desk.change_source()
            assert (await desk.make("install", "--yes")).code == 0
        assert first in desk.environments
    finally:
        await waiting.communicate(b"\n")


async def test_tray_that_runs_follows_each_upgrade_and_one_that_was_quit_stays_quit(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "bus").mkdir()
    with private_bus(tmp_path / "bus") as bus:
        assert (await desk.make("install", "--yes")).code == 0
        first = desk.current
        tray = await desk.start_tray(bus)
        [pid] = desk.trays
        assert (await desk.offramp("pause")).code == 0
        for _ in range(2):
            desk.change_source()
            upgraded = await desk.make("install", "--yes")
            assert upgraded.code == 0, upgraded
            assert "the tray, pid" in upgraded.out
            await desk.until_tray_is_of(desk.current)
            await desk.until_tray(lambda record: record is not None)
            assert desk.trays == [pid]
        assert first not in desk.environments
        assert "paused" in (await desk.offramp("status")).out
        same = await desk.make("install", "--yes")
        assert "the tray" not in same.out

        os.kill(pid, signal.SIGTERM)
        assert await tray.wait() == 0
        again = await desk.offramp("install", "--yes", "--restart")
        assert again.code == 0, again
        assert "the tray" not in again.out
        assert desk.trays == []


async def test_uninstall_ends_the_tray_and_leaves_nothing_that_a_new_install_would_heed(
    desk: Desk, tmp_path: Path
) -> None:
    entry = desk.home / ".config" / "autostart" / "offramp-tray.desktop"
    (tmp_path / "bus").mkdir()
    with private_bus(tmp_path / "bus") as bus:
        assert (await desk.make("install", "--yes --no-tray")).code == 0
        assert "Hidden=true" in entry.read_text()
        tray = await desk.start_tray(bus)
        dry = await desk.offramp("uninstall", "--dry-run")
        assert "the tray, pid" in dry.out
        assert len(desk.trays) == 1
        gone = await desk.offramp("uninstall")
        assert gone.code == 0, gone
        assert "the tray, pid" in gone.out
        assert await tray.wait() == 0
        assert not entry.exists()
        assert (await desk.make("install", "--yes")).code == 0
        assert "Hidden=false" in entry.read_text()


async def test_install_without_a_service_manager_says_what_is_there_and_what_to_type(
    desk: Desk,
) -> None:
    ending = await desk.make("install", "--yes", XDG_RUNTIME_DIR="")
    assert ending.code != 0
    program = desk.app / "current" / "bin" / "offramp"
    assert f"{program} serve" in ending.err
    assert f"The program is installed ({desk.link}), but its set-up stopped" in ending.err
    assert (await desk.offramp("--version")).code == 0
    assert (await desk.make("install", "--yes")).code == 0


async def test_install_that_would_do_harm_is_refused(desk: Desk) -> None:
    refused = await desk.make("install", "--yes", SUDO_USER="somebody")
    assert refused.code != 0
    assert "as somebody" in refused.err
    refused = await desk.make("uninstall")
    assert refused.code != 0
    assert "that make install has installed" in refused.err
    desk.take_turn(pid=1)
    refused = await desk.make("install", "--yes")
    assert refused.code != 0
    assert "Another make install is running" in refused.err
    desk.link.parent.mkdir(parents=True, exist_ok=True)
    desk.link.symlink_to("/somewhere/pipx/venvs/offramp/bin/offramp")
    refused = await desk.make("install", "--yes")
    assert refused.code != 0
    assert "make install did not create it" in refused.err
    assert desk.environments == []
