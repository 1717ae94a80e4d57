"""Whether this desktop can show the icon, and whether the charts' libraries are there.

Neither the tray nor the window is imported here: it asks the session bus, has another process load
the window, and reads what a running tray says of itself.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from offramp_cli.doctor.finding import note, ok, warning
from offramp_core import programs, running_tray
from offramp_core.wording import menu_bar_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbus_fast.aio import MessageBus

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Remark

TrayState = Literal[
    "mac shows",
    "mac hides",
    "mac unknown",
    "mac without tray",
    "no desktop",
    "no bus",
    "no watcher",
    "no host",
    "ready",
]

_WATCHER = "org.kde.StatusNotifierWatcher"
_WATCHER_PATH = "/StatusNotifierWatcher"
_LIMIT_S = 3.0
_CHARTS_LIMIT_S = 5.0
_LONGEST_WORDS = 200

_CURES: Mapping[str, str] = {
    "gnome": "GNOME needs an extension to show icons: install AppIndicator and "
    "KStatusNotifierItem Support (Debian and Ubuntu: "
    "gnome-shell-extension-appindicator), switch it on, and log in again.",
    "xfce": "Add the Status Tray plugin to the panel.",
    "kde": "Add the System Tray widget to the panel.",
    "sway": 'Add a tray to the bar, for example waybar\'s "tray" module.',
    "hyprland": 'Add a tray to the bar, for example waybar\'s "tray" module.',
    "mate": "Install mate-indicator-applet, and add the Indicator Applet to the panel.",
}
_ANY_CURE = "Use a panel or bar that shows StatusNotifierItem icons."


@dataclass(frozen=True, slots=True, kw_only=True)
class TrayFacts:
    """What was found of the desktop; `detail` is the watcher's owner or the bus's complaint."""

    state: TrayState
    desktop: str
    detail: str = ""


def look(context: DoctorContext, *, limit_s: float = _LIMIT_S) -> TrayFacts:
    """Ask the session bus, for `limit_s` at most; nothing is started by asking."""
    environ = context.environ
    desktop = environ.get("XDG_CURRENT_DESKTOP", "")
    if context.platform == "darwin":
        return TrayFacts(state=_on_mac(context), desktop="macOS")
    if not environ.get("WAYLAND_DISPLAY") and not environ.get("DISPLAY"):
        return TrayFacts(state="no desktop", desktop=desktop)
    address = _bus_address(environ)
    if address is None:
        return TrayFacts(
            state="no bus", desktop=desktop, detail="DBUS_SESSION_BUS_ADDRESS is not set"
        )
    try:
        return asyncio.run(_ask(address, desktop, limit_s))
    except Exception as error:  # noqa: BLE001 - a bus can fail in as many ways as it has libraries
        return TrayFacts(state="no bus", desktop=desktop, detail=f"{type(error).__name__}: {error}")


def judge(tray: TrayFacts) -> Iterator[Remark]:
    """Whether the icon will be seen, and what is missing."""
    on = f" ({tray.desktop})" if tray.desktop else ""
    match tray.state:
        case "mac shows":
            yield ok("The menu bar shows the icon.")
        case "mac hides":
            yield note(
                "The tray runs, but the menu bar does not show its icon.",
                menu_bar_text.hidden_icon_cure(),
            )
        case "mac unknown":
            yield ok("The tray runs; whether the menu bar shows its icon is not known yet.")
        case "mac without tray":
            yield ok("The tray is not running, so its icon was not checked.")
        case "no desktop":
            yield note(
                "This session has no desktop (neither WAYLAND_DISPLAY nor DISPLAY is set).",
                "Run the doctor in a terminal of the desktop to check the icon.",
            )
        case "no bus":
            yield warning(
                f"The session bus can't be reached ({tray.detail}): no icon can be shown{on}.",
                "Log in to the desktop again. Without a desktop, use the command line.",
            )
        case "no watcher":
            yield warning(f"Nothing on this desktop{on} shows tray icons.", _cure(tray.desktop))
        case "no host":
            yield warning(
                f"{_WATCHER} is running{on}, but no panel shows icons.", _cure(tray.desktop)
            )
        case "ready":
            yield ok(f"A panel shows tray icons{on}.")
    if tray.state in {"mac shows", "mac hides", "mac unknown"}:
        yield note(menu_bar_text.NOTIFICATION_NOTE, menu_bar_text.NOTIFICATION_CURE)


def look_for_charts(
    environ: Mapping[str, str], *, command: Sequence[str] = (), limit_s: float = _CHARTS_LIMIT_S
) -> tuple[str, str] | None:
    """Have a process of its own load the charts' window, and return what is wrong and the cure.

    None where nothing is. `command` is that process, Offramp's own if it is empty. Qt ends a
    whole process where it lacks a library, so not in this one.
    """
    try:
        ended = subprocess.run(
            command or programs.start_command("charts-check"),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"That could not be tried ({type(error).__name__}).", ""
    title, _, cure = ended.stdout.decode(errors="replace").strip().partition("\n")
    if ended.returncode and not title:
        words = ended.stderr.decode(errors="replace").strip().splitlines()
        title = words[-1][:_LONGEST_WORDS] if words else f"it ended with {ended.returncode}."
    return (title, cure) if title else None


def judge_charts(problem: tuple[str, str] | None) -> Iterator[Remark]:
    """Whether the charts window can open."""
    if problem is None:
        yield ok("The charts window can be loaded.")
    else:
        title, cure = problem
        yield note(f"The charts window may not open: {title}", cure)


def _on_mac(context: DoctorContext) -> TrayState:
    """What the tray found: only the process that has an icon can look at it."""
    tray = running_tray.find(context.paths.tray_lock_file)
    if tray is None:
        return "mac without tray"
    if tray.is_icon_shown is None:
        return "mac unknown"
    return "mac shows" if tray.is_icon_shown else "mac hides"


def _bus_address(environ: Mapping[str, str]) -> str | None:
    if address := environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    socket = Path(runtime) / "bus"
    return f"unix:path={socket}" if socket.exists() else None


async def _ask(address: str, desktop: str, limit_s: float) -> TrayFacts:
    # Imported here, because only Linux has it.
    from dbus_fast.aio import MessageBus

    async with asyncio.timeout(limit_s):
        bus = await MessageBus(bus_address=address).connect()
        try:
            return await _ask_watcher(bus, desktop)
        finally:
            bus.disconnect()


async def _ask_watcher(bus: MessageBus, desktop: str) -> TrayFacts:
    from dbus_fast import Message, MessageFlag

    has_owner = await bus.call(
        Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="NameHasOwner",
            signature="s",
            body=[_WATCHER],
        )
    )
    if has_owner.body != [True]:
        return TrayFacts(state="no watcher", desktop=desktop)
    answer = await bus.call(
        Message(
            destination=_WATCHER,
            path=_WATCHER_PATH,
            interface="org.freedesktop.DBus.Properties",
            member="Get",
            signature="ss",
            body=[_WATCHER, "IsStatusNotifierHostRegistered"],
            flags=MessageFlag.NO_AUTOSTART,
        )
    )
    is_shown = bool(answer.body) and _plain(answer.body[0]) is True
    return TrayFacts(state="ready" if is_shown else "no host", desktop=desktop)


def _plain(value: object) -> object:
    """What is in a D-Bus variant."""
    return getattr(value, "value", value)


def _cure(desktop: str) -> str:
    names = desktop.lower().replace(";", ":").split(":")
    return next((_CURES[name] for name in names if name in _CURES), _ANY_CURE)
