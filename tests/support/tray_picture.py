"""Takes the README's pictures of the tray: its menu in a real panel, and the sheet of its icons.

    python tests/support/tray_picture.py [FOLDER]

The tray follows a demo of its own, so the numbers are made up. It needs what `panel` needs. The
default folder is docs/images.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(_ROOT / name) for name in ("daemon", "tray", "dashboard_qt")]

from control_harness import Commands  # noqa: E402 - found by the line above
from daemon_process import OFFRAMP, daemon_process, environment  # noqa: E402 - the same
from panel import Desktop, desktop  # noqa: E402 - the same
from PIL import Image  # noqa: E402 - the same
from proxy_harness import CLAUDE_TOKEN  # noqa: E402 - the same
from raw_client import connected, post  # noqa: E402 - the same

from offramp_tray.view import icon_sheet  # noqa: E402 - the same

_FACTS = 7
"""Rows above the first action: the split, two backends, and two windows of each plan."""
_TO_PAUSE_FOR = (*("Down",) * (_FACTS + 2), "Right")
_MARGIN_PX = 12
_ZONE = "Europe/Berlin"
_LOGIN = (
    f"Connection: close\r\nAuthorization: Bearer {CLAUDE_TOKEN}\r\n"
    "anthropic-version: 2023-06-01\r\nanthropic-beta: oauth-2025-04-20\r\n"
).encode()


async def _take(file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        async with daemon_process(home, "--no-traffic", is_demo=True, TZ=_ZONE) as daemon:
            await Commands(daemon.paths).until_there()
            await _have_quota_told(daemon.url)
            await asyncio.to_thread(_show, Path(folder), home, file)
    _crop(file)


async def _have_quota_told(url: str) -> None:
    """One answer of each service: from then on the daemon knows how much of each plan is used."""
    for model in ("claude-opus-4-6", "claude-sonnet-4-5"):
        said = [{"role": "user", "content": "Hello"}]
        body = json.dumps({"model": model, "max_tokens": 9, "messages": said}).encode()
        async with connected(url) as (reader, writer):
            writer.write(post(b"/v1/messages", body, _LOGIN))
            await reader.read()


def _show(folder: Path, home: Path, file: Path) -> None:
    (folder / "panel").mkdir()
    with desktop(folder / "panel", is_dark=True) as shown:
        environ = {**shown.environ, **environment(home), "TZ": _ZONE}
        environ |= {name: shown.environ[name] for name in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY")}
        with subprocess.Popen([*OFFRAMP, "tray", "--demo"], env=environ) as tray:
            try:
                _open_menu(shown)
                shown.picture(file)
            finally:
                tray.terminate()


def _open_menu(shown: Desktop) -> None:
    shown.wait_for_icon()
    shown.click_icon()
    shown.press(*_TO_PAUSE_FOR)


def _crop(file: Path) -> None:
    """Cut off the empty screen around panel and menu."""
    with Image.open(file) as whole:
        picture = whole.convert("RGB")
    panel_px = 34
    _, _, right, bottom = picture.crop((0, panel_px, *picture.size)).getbbox() or (0, 0, 400, 400)
    cut = picture.crop((0, 0, right + _MARGIN_PX, panel_px + bottom + _MARGIN_PX))
    cut.save(file, optimize=True)


def main() -> None:
    """Take both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=_ROOT / "docs" / "images")
    folder = parser.parse_args().folder
    asyncio.run(_take(folder / "tray.png"))
    icon_sheet.save(folder / "tray-icons.png")


if __name__ == "__main__":
    main()
