"""The login item's commands as processes that take themselves for ones on a Mac."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import SOURCES, run_command
from macos.fake_mac import FakeMac

if TYPE_CHECKING:
    from daemon_process import Ending

SIMULATION = Path(__file__).parents[2] / "support" / "darwin"
AGENTS = "Library/LaunchAgents"
DAEMON = "local.offramp.daemon"
TRAY = "local.offramp.tray"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="a Mac needs no simulation of one"
)


class User:
    """A user of a Mac, who is logged in at the screen."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.mac = FakeMac(folder / "mac")

    async def offramp(self, *arguments: str) -> Ending:
        return await run_command(
            self.home,
            *arguments,
            PATH=self.mac.path,
            PYTHONPATH=os.pathsep.join((str(SIMULATION), SOURCES)),
        )

    def write_agent(self, label: str) -> Path:
        file = self.home / AGENTS / f"{label}.plist"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(plistlib.dumps({"Label": label, "ProgramArguments": ["/usr/bin/true"]}))
        return file


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


async def test_uninstall_ends_the_agents_of_this_home(user: User) -> None:
    files = [user.write_agent(label) for label in (DAEMON, TRAY)]
    for file in files:
        user.mac.load(file.stem, file)
    ending = await user.offramp("uninstall")
    assert ending.code == 0, ending
    assert user.mac.loaded == {}
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("has_files", [False, True])
async def test_uninstall_spares_the_agents_of_another_home(user: User, *, has_files: bool) -> None:
    others = {label: f"/Users/u/{AGENTS}/{label}.plist" for label in (DAEMON, TRAY)}
    for label, file in others.items():
        user.mac.load(label, file)
        if has_files:
            user.write_agent(label)
    ending = await user.offramp("uninstall")
    assert ending.code == 0, ending
    assert user.mac.loaded == others
    assert user.mac.without("launchctl print") == []


@pytest.mark.parametrize("command", [("install", "--yes"), ("start",), ("stop",), ("restart",)])
async def test_without_a_session_of_this_user_nothing_is_changed(
    user: User, command: tuple[str, ...]
) -> None:
    user.mac.log_out(everywhere=True)
    ending = await user.offramp(*command)
    assert ending.code == 1
    assert "launchd has no session of this user" in ending.err
    assert user.mac.without("launchctl print") == []
