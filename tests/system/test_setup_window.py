"""The set-up window as a new user goes through it: a real service manager, a real Z.ai but for us.

The window is a process of its own, with no display; nothing in it is scripted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import qt_presence
from daemon_process import free_port
from keyring_harness import NONE
from proxy_harness import ZAI_KEY
from user_systemd import UserSystemd, user_systemd

from offramp_simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(qt_presence.PROBLEM is not None, reason=str(qt_presence.PROBLEM)),
]

DRIVER = Path(qt_presence.__file__).with_name("setup_driver.py")
SETTINGS = '{\n  "includeCoAuthoredBy": false\n}\n'


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator.start(zai_key=ZAI_KEY) as simulator:
        yield simulator
        assert not simulator.leaks


@pytest.fixture
async def user(tmp_path: Path, sim: Simulator) -> AsyncIterator[UserSystemd]:
    """A user who has nothing but Claude Code, and a machine that starts programs at login."""
    home = tmp_path / "home"
    (home / ".claude").mkdir(parents=True)
    (home / ".claude" / "settings.json").write_text(SETTINGS)
    config = home / ".config" / "offramp"
    config.mkdir(parents=True)
    addresses = f"ZAI_BASE_URL={sim.zai_url}\nANTHROPIC_BASE_URL={sim.anthropic_url}\n"
    (config / ".env").write_text(f"{addresses}PORT={free_port()}\n")
    async with user_systemd(home) as systemd:
        yield systemd


async def walk(user: UserSystemd, *steps: str, key: str = ZAI_KEY) -> dict[str, str]:
    """Go through the window, and return what each step said."""
    ended = await user.run(
        *(sys.executable, str(DRIVER), *steps),
        limit_s=200,
        TYPED=key,
        QT_QPA_PLATFORM="offscreen",
        PYTHON_KEYRING_BACKEND=NONE,
    )
    assert ended.code == 0, ended
    assert "Traceback" not in ended.err
    assert key not in ended.out + ended.err
    return dict(json.loads(ended.out))


async def test_new_user_ends_with_requests_that_are_delegated_and_goes_back(
    user: UserSystemd, sim: Simulator
) -> None:
    entry = user.home / ".config" / "autostart" / "offramp-tray.desktop"
    said = await walk(user, "key=TYPED", "models", "login", "connect", "try")

    assert said["key=TYPED"].startswith("done: Z.ai accepts this key.")
    assert said["models"].startswith("done: New conversations use these models.")
    assert said["login"].startswith("done: The daemon runs. From now on it starts at login")
    assert said["connect"].startswith("done: Claude Code uses Offramp.")
    assert said["try"] == "done: Z.ai answered through Offramp. The request was free."
    assert await user.property_of("offramp.service", "ActiveState") == "active"
    assert (user.units_dir / "offramp.socket").exists()
    assert "Hidden=true" not in entry.read_text()
    assert "ANTHROPIC_BASE_URL" in (user.home / ".claude" / "settings.json").read_text()
    counted = [one for one in sim.requests if one.path_only.endswith("/count_tokens")]
    assert [one.service for one in counted] == ["zai", "zai"]

    undone = await walk(user, "undo-login", "undo-connect", "undo-login", "undo-key")

    assert undone["undo-connect"].startswith("open: Claude Code no longer uses Offramp")
    assert undone["undo-login"].startswith("open: The daemon was stopped, and nothing starts")
    assert undone["undo-key"].startswith("open: The key for Z.ai was deleted")
    assert (user.home / ".claude" / "settings.json").read_text() == SETTINGS
    assert not (user.units_dir / "offramp.socket").exists()
    assert "Hidden=true" in entry.read_text()


async def test_key_that_z_ai_refuses_is_not_stored(user: UserSystemd) -> None:
    said = await walk(user, "key=TYPED", key=ZAI_KEY[::-1])

    assert said["key=TYPED"].startswith("failed: Z.ai refuses this key")
    assert not (user.home / ".config" / "offramp" / "keys.json").exists()


async def test_daemon_that_takes_a_key_while_it_runs_delegates_at_once(user: UserSystemd) -> None:
    said = await walk(user, "login", "try", "key=TYPED", "models")

    assert said["login"].startswith("done: ")
    assert said["try"].startswith("failed: ")
    assert "The running daemon has a key for zai." in said["key=TYPED"]
    again = await walk(user, "try")
    assert again["try"].startswith("done: Z.ai answered through Offramp.")
