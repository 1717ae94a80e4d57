"""A real panel to look at: xfce4-panel on an X server without a screen, and pictures of it.

    python tests/support/panel.py PICTURE.png [--open] -- COMMAND...

runs COMMAND with a session bus, a display and a panel of its own, waits for its icon, opens its
menu if asked, and takes the picture. It needs Xvfb, xfce4-panel, dbus-daemon, xdotool and
ImageMagick (Debian: xvfb xfce4-panel dbus xdotool imagemagick).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from patience import PATIENCE_S
from private_bus import private_bus

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = ("Xvfb", "xfce4-panel", "dbus-daemon", "dbus-send", "xdotool", "import")

_XFCONF = "/usr/share/dbus-1/services/org.xfce.Xfconf.service"
_PANEL_HEIGHT_PX = 32
_SCREEN = (800, 640)

# One panel along the top with nothing in it but the tray, at its left end.
_PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="{is_dark}"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="{height}"/>
      <property name="icon-size" type="uint" value="{icon_size}"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
      <property name="icon-size" type="int" value="{icon_size}"/>
    </property>
  </property>
</channel>
"""


@dataclass(frozen=True)
class Desktop:
    """A display, a bus and a panel, and the environment that leads a program to them."""

    environ: dict[str, str]

    def wait_for_icon(self) -> None:
        """Wait until the panel has taken an icon."""
        deadline_s = time.monotonic() + PATIENCE_S
        asked = (
            "dbus-send --session --print-reply --dest=org.kde.StatusNotifierWatcher "
            "/StatusNotifierWatcher org.freedesktop.DBus.Properties.Get "
            "string:org.kde.StatusNotifierWatcher string:RegisteredStatusNotifierItems"
        )
        while b'string "' not in self._output(asked.split()):
            if time.monotonic() > deadline_s:
                raise TimeoutError("No icon came to the panel.")
            time.sleep(0.05)
        self._rest()

    def click(self, x: int, y: int, *, button: int = 1) -> None:
        """Click at that place of the screen."""
        self.move(x, y)
        self._output(["xdotool", "click", str(button)])
        self._rest()

    def move(self, x: int, y: int) -> None:
        """Move the pointer there."""
        self._output(["xdotool", "mousemove", str(x), str(y)])
        self._rest()

    def press(self, *keys: str) -> None:
        """Press these keys, one after the other."""
        self._output(["xdotool", "key", *keys])
        self._rest()

    def click_icon(self, *, button: int = 1) -> None:
        """Click on the only icon, at the left end of the panel."""
        self.click(_PANEL_HEIGHT_PX // 2, _PANEL_HEIGHT_PX // 2, button=button)

    def picture(self, file: Path) -> None:
        """Take a picture of the screen."""
        self._output(["import", "-window", "root", str(file)])

    def _rest(self) -> None:
        """Have the panel draw; a program on X can't know when another one has."""
        time.sleep(0.7)

    def _output(self, command: list[str]) -> bytes:
        done = subprocess.run(
            command, env=self.environ, check=False, capture_output=True, timeout=PATIENCE_S
        )
        return done.stdout


@contextlib.contextmanager
def desktop(folder: Path, *, is_dark: bool = False, icon_size_px: int = 22) -> Iterator[Desktop]:
    """A panel under way, with everything below `folder`.

    Raises:
        FileNotFoundError: a program that it takes is not installed.
    """
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise FileNotFoundError(f"Not installed: {', '.join(missing)}.")
    xfconfd = _exec_of(Path(_XFCONF))
    _write_panel(folder, is_dark=is_dark, icon_size_px=icon_size_px)
    own = _environ(folder)
    with (
        _display() as display,
        private_bus(
            folder, services={"org.xfce.Xfconf": xfconfd}, environ={**own, "DISPLAY": display}
        ) as bus,
    ):
        environ = own | bus.environ | {"DISPLAY": display}
        with _running(["xfce4-panel", "--disable-wm-check"], environ):
            yield Desktop(environ)


def _environ(folder: Path) -> dict[str, str]:
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(runtime),
        "LANG": "C.UTF-8",
        "GTK_A11Y": "none",
        "NO_AT_BRIDGE": "1",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }


def _write_panel(folder: Path, *, is_dark: bool, icon_size_px: int) -> None:
    channel = folder / "config" / "xfce4" / "xfconf" / "xfce-perchannel-xml" / "xfce4-panel.xml"
    channel.parent.mkdir(parents=True)
    channel.write_text(
        _PANEL.format(
            is_dark="true" if is_dark else "false",
            height=_PANEL_HEIGHT_PX,
            icon_size=icon_size_px,
        ),
        encoding="utf-8",
    )


def _exec_of(service: Path) -> str:
    lines = service.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("Exec=") for line in lines if line.startswith("Exec="))


@contextlib.contextmanager
def _display() -> Iterator[str]:
    """An X server without a screen, on a number that is free."""
    ours, theirs = os.pipe()
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", f"{_SCREEN[0]}x{_SCREEN[1]}x24"]
    with subprocess.Popen(
        command, pass_fds=[theirs], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        try:
            with os.fdopen(ours) as numbers:
                yield f":{numbers.readline().strip()}"
        finally:
            process.kill()


@contextlib.contextmanager
def _running(command: list[str], environ: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()


def main() -> None:
    """Take one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--open", action="store_true", help="open the menu")
    parser.add_argument("--dark", action="store_true", help="a dark panel")
    parser.add_argument("--icon-size", type=int, default=22)
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        desktop(Path(folder), is_dark=asked.dark, icon_size_px=asked.icon_size) as shown,
        _running(asked.command, shown.environ),
    ):
        shown.wait_for_icon()
        if asked.open:
            shown.click_icon()
        shown.picture(asked.picture)


if __name__ == "__main__":
    sys.exit(main())
