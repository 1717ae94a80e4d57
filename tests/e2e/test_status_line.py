"""The real Claude Code on a terminal, with Offramp's status line below its prompt."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import struct
import sys
import termios
from typing import TYPE_CHECKING

import pytest
from claude_code import ClaudeCode
from daemon_process import OFFRAMP, daemon_process, run_command
from patience import PATIENCE_S
from screen_text import screen_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.e2e

_ROWS = 40


class Screen:
    """Claude Code on a terminal; what it wrote there, as text."""

    def __init__(self, columns: int) -> None:
        self.ours, self.theirs = pty.openpty()
        size = struct.pack("HHHH", _ROWS, columns, 0, 0)
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, size)
        os.set_blocking(self.ours, False)
        self._written = b""
        self._came = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.ours, self._read)

    def _read(self) -> None:
        try:
            self._written += os.read(self.ours, 65536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self.ours)
        self._came.set()

    @property
    def text(self) -> str:
        """What it shows now."""
        return screen_text(self._written.decode("utf-8", "replace"))

    async def until(self, words: str) -> None:
        """Wait until it shows `words`."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while words not in self.text:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            pytest.fail(f"{words!r} is not shown:\n{self.text}")

    def type(self, keys: str) -> None:
        """Type `keys` from now on."""
        os.write(self.ours, keys.encode())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.ours)
        os.close(self.ours)
        os.close(self.theirs)


def trust(home: Path, project: Path) -> None:
    """Have Claude Code ask nothing at its start: without trust it shows no status line."""
    trusted = {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}
    settings = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "projects": {str(project): trusted},
    }
    (home / ".claude.json").write_text(json.dumps(settings))


def command_of(home: Path) -> Mapping[str, str]:
    """The status line as `connect` writes it, but for the demo's daemon and this source."""
    words = " ".join(f"'{word}'" for word in (*OFFRAMP, "statusline", "--demo"))
    path = os.pathsep.join(sys.path)
    return {
        "type": "command",
        "command": f"env OFFRAMP_HOME='{home}' PYTHONPATH='{path}' {words}",
    }


@pytest.mark.parametrize("columns", [120, 60])
async def test_line_is_shown_and_follows_the_session(version, tmp_path, columns):
    async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as demo:
        claude = ClaudeCode.at_home(version, tmp_path, demo.url)
        trust(tmp_path, claude.project)
        settings = {"statusLine": command_of(tmp_path)}
        (tmp_path / ".claude" / "settings.json").write_text(json.dumps(settings))
        screen = Screen(columns)
        process = await claude.start_on_terminal(
            screen.theirs, "sonnet", "--permission-mode=default"
        )
        try:
            await screen.until("Offramp: delegation on")
            screen.type("hello")
            await screen.until("hello")
            screen.type("\r")
            await screen.until("GLM-4.7")
            paused = await run_command(tmp_path, "pause", "--demo")
            assert paused.code == 0
            screen.type("again")
            await screen.until("again")
            screen.type("\r")
            await screen.until("delegation paused")
            screen.type("/clear")
            await screen.until("/clear")
            screen.type("\r")
            await screen.until("Offramp: delegation paused")
        finally:
            process.kill()
            await process.wait()
            screen.close()
    assert "Traceback" not in screen.text
