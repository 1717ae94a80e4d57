"""The macOS icon: pystray's real backend, against stand-ins for the system's modules."""

from __future__ import annotations

import contextlib
import importlib
import io
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from appkit_stand_in import (
    FULL_SCREEN,
    LOCKED,
    MADE_WITH,
    OCCLUSION_CHANGED,
    SCREENS_CHANGED,
    SPACE_CHANGED,
    UNLOCKED,
    WOKEN,
    Screen,
    System,
    Window,
    forget,
    rect,
)
from patience import PATIENCE_S
from PIL import Image
from running_host import icon_of, running_host, sample_rows, sample_view

from offramp_core.running_tray import RESTART_SIGNAL
from offramp_tray.toolkit.notify_command import NotifyCommand
from offramp_tray.toolkit.pystray_menu import pystray_base
from offramp_tray.view.view_model import IconImages, MenuRow, Notification, RowKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from running_host import RunningHost

    from offramp_tray.view.view_model import ViewModel

_MESSAGE = Notification(key="k", title="title", body="body")
_NEW = MenuRow(key="new", kind=RowKind.ACTION, text="New")


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    system = System()
    for name, module in system.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    package = sys.modules[pystray_base.__package__]
    monkeypatch.delattr(package, "_darwin", raising=False)
    forget(*MADE_WITH)
    yield system
    forget(*MADE_WITH)
    assert system.strays == []


@contextlib.asynccontextmanager
async def _running(mac: System, view: ViewModel | None = None) -> AsyncIterator[RunningHost]:
    """An icon on that system; at the end it has left the menu bar."""
    backend = importlib.import_module("offramp_tray.macos.appkit_backend").AppKitBackend()
    async with running_host(backend, view or sample_view()) as running:
        yield running
    assert mac.status_items == []
    assert mac.observers == []


async def _later(mac: System, running: RunningHost) -> list[bool]:
    """Let the time pass; what was said of the icon's presence by then."""
    await running.settle()
    mac.pass_time()
    await running.settle()
    said = []
    while not running.presence.empty():
        said.append(running.presence.get())
    return said


def _hide(window: Window) -> None:
    """As macOS 26 leaves an icon that may not be in the menu bar: where it was made."""
    window.rect = rect(-1, 0, 38, 24)


def _cover(window: Window) -> None:
    window.occlusion = 0


def _take_down(window: Window) -> None:
    window.is_visible = False


def _titles(menu: Any) -> list[str]:
    return [item.title for item in menu.items if not item.hidden]


def _item(menu: Any, title: str) -> Any:
    for item in menu.items:
        if item.title == title:
            return item
        if item.submenu is not None:
            with contextlib.suppress(LookupError):
                return _item(item.submenu, title)
    raise LookupError(title)


def _click(mac: System, title: str) -> None:
    """As AppKit does it: on the main thread, to the item's own target."""
    item = _item(mac.item.menu, title)
    mac.calls.put(lambda: item.target.activate_menu_item(item))


async def test_icon_stays_out_of_the_dock(mac: System) -> None:
    async with _running(mac):
        assert mac.activation_policy == "accessory"
        assert mac.button.hidden is False


async def test_icon_keeps_its_pixels_for_fine_screens(mac: System) -> None:
    async with _running(mac, sample_view(icon=icon_of(16, 18, 36, 54))):
        image = mac.button.image
        assert image.size == (18, 18)
        assert [pixels.size for pixels in image.pixels] == [(18, 18)] * 3
        pictures = [Image.open(io.BytesIO(pixels.data)) for pixels in image.pixels]
        assert [picture.size[0] for picture in pictures] == [18, 36, 54]
        assert pictures[2].getpixel((5, 5)) == (200, 30, 60, 255)


@pytest.mark.parametrize("is_template", [True, False])
async def test_icon_is_a_template_if_it_says_so(mac: System, is_template: bool) -> None:
    drawn = icon_of(36).by_size_px
    icon = IconImages(by_size_px=drawn, is_template=is_template)
    async with _running(mac, sample_view(icon=icon)):
        assert mac.button.image.template is is_template


async def test_words_are_there_for_all(mac: System) -> None:
    async with _running(mac, sample_view(label="68 %")) as running:
        button = mac.button
        assert button.toolTip == "Z.ai 68 %, Claude 32 % this week"
        assert button.accessibilityLabel == "Z.ai 68 %, Claude 32 % this week"
        assert (button.title, button.imagePosition) == ("68 %", "left of the text")
        running.host.show(sample_view(title="New"))
        await running.settle()
        assert (button.toolTip, button.title, button.imagePosition) == ("New", "", "alone")


async def test_menu_reads_as_designed(mac: System) -> None:
    async with _running(mac):
        menu = mac.item.menu
        assert _titles(menu) == [
            "Z.ai 68 %, Claude 32 %",
            "---",
            "Pause delegation",
            "Pause for",
            "Open charts…",
            "Open config_file",
            "---",
            "Quit tray (the daemon runs on)",
        ]
        assert _titles(_item(menu, "Pause for").submenu) == ["1 hour", "Until tomorrow"]
        assert not _item(menu, "Z.ai 68 %, Claude 32 %").enabled
        assert _item(menu, "Pause delegation").state == 0


async def test_click_names_its_row(mac: System) -> None:
    async with _running(mac) as running:
        for title, key in (("Pause delegation", "pause"), ("1 hour", "hour")):
            _click(mac, title)
            assert await running.next_click() == key


async def test_click_leaves_the_menu_as_it_is(mac: System) -> None:
    async with _running(mac) as running:
        menu = mac.item.menu
        _click(mac, "Open charts…")
        await running.next_click()
        await running.settle()
        assert mac.item.menu is menu


async def test_change_of_looks_keeps_the_menu(mac: System) -> None:
    async with _running(mac) as running:
        menu = mac.item.menu
        running.host.show(sample_view(rows=sample_rows(is_paused=True, headline="Paused")))
        await running.settle()
        assert mac.item.menu is menu
        assert _titles(menu)[0] == "Paused"
        assert _item(menu, "Pause delegation").state == 1


async def test_open_menu_is_not_rebuilt(mac: System) -> None:
    async with _running(mac) as running:
        menu = mac.item.menu
        mac.calls.put(lambda: menu.delegate.menuWillOpen_(menu))
        await running.next_open()
        running.host.show(sample_view(rows=(_NEW, *sample_rows(is_paused=True))))
        await running.settle()
        assert mac.item.menu is menu
        assert _item(menu, "Pause delegation").state == 1
        mac.calls.put(lambda: menu.delegate.menuDidClose_(menu))
        await running.settle()
        await running.settle()
        assert _titles(mac.item.menu)[0] == "New"


async def test_row_of_an_open_menu_is_neither_hidden_nor_shown(mac: System) -> None:
    def rows(text: str) -> tuple[MenuRow, ...]:
        told = MenuRow(key="told", kind=RowKind.TEXT, text=text, is_visible=bool(text))
        return (told, *sample_rows())

    async with _running(mac, sample_view(rows=rows(""))) as running:
        menu = mac.item.menu
        before = _titles(menu)
        mac.calls.put(lambda: menu.delegate.menuWillOpen_(menu))
        await running.next_open()
        running.host.show(sample_view(rows=rows("Z.ai refused the key")))
        await running.settle()
        assert _titles(menu) == before
        mac.calls.put(lambda: menu.delegate.menuDidClose_(menu))
        await running.settle()
        await running.settle()
        assert _titles(menu) == ["Z.ai refused the key", *before]


async def test_click_that_comes_after_the_menu_was_made_anew_means_its_row(mac: System) -> None:
    async with _running(mac) as running:
        old = _item(mac.item.menu, "Open charts…")
        running.host.show(sample_view(rows=(_NEW,)))
        await running.settle()
        mac.calls.put(lambda: old.target.activate_menu_item(old))
        assert await running.next_click() == "charts"


async def test_picture_changes_with_the_face(mac: System) -> None:
    async with _running(mac) as running:
        before = mac.button.image
        running.host.show(sample_view(title="same picture"))
        await running.settle()
        assert mac.button.image is before
        running.host.show(sample_view(icon=icon_of(36)))
        await running.settle()
        assert mac.button.image is not before


async def test_nothing_is_said_of_the_icon_before_the_menu_bar_has_settled(mac: System) -> None:
    async with _running(mac) as running:
        await running.settle()
        assert running.presence.empty()
        assert await _later(mac, running) == [True]


@pytest.mark.parametrize("hide", [_hide, _cover, _take_down])
async def test_icon_that_is_hidden_from_the_start_is_found_and_logged_once(
    mac: System, hide: Callable[[Window], None], caplog: pytest.LogCaptureFixture
) -> None:
    assert mac.window is not None
    hide(mac.window)
    async with _running(mac) as running:
        assert await _later(mac, running) == [False]
        for _ in range(3):
            mac.post(SCREENS_CHANGED)
            assert await _later(mac, running) == []
    assert caplog.messages.count("The menu bar does not show the icon") == 1


@pytest.mark.parametrize("event", [SCREENS_CHANGED, WOKEN, SPACE_CHANGED, OCCLUSION_CHANGED])
@pytest.mark.parametrize("hide", [_hide, _cover, _take_down])
async def test_icon_that_goes_and_comes_back_is_said_each_time(
    mac: System, event: str, hide: Callable[[Window], None]
) -> None:
    window = mac.window
    assert window is not None
    async with _running(mac) as running:
        assert await _later(mac, running) == [True]
        hide(window)
        mac.post(event, window)
        assert await _later(mac, running) == [False]
        vars(window).update(vars(Window()))
        mac.post(event, window)
        assert await _later(mac, running) == [True]


async def test_icon_below_the_notch_of_another_screen_is_found(mac: System) -> None:
    async with _running(mac) as running:
        assert await _later(mac, running) == [True]
        left, right = rect(0, 862, 600, 38), rect(840, 862, 600, 38)
        mac.screens = [Screen(rect(0, 0, 1440, 900), left=left, right=right)]
        assert mac.window is not None
        mac.window.rect = rect(700, 866, 30, 30)
        mac.post(SCREENS_CHANGED)
        assert await _later(mac, running) == [False]


async def test_icon_without_a_window_is_hidden(mac: System) -> None:
    mac.window = None
    async with _running(mac) as running:
        assert await _later(mac, running) == [False]


async def test_macos_that_knows_no_notch_is_not_asked_for_one(mac: System) -> None:
    mac.screens = [Screen(rect(0, 0, 1440, 900), is_before_notches=True)]
    async with _running(mac) as running:
        assert await _later(mac, running) == [True]


async def test_icon_that_a_program_or_the_lock_covers_is_not_taken_for_hidden(mac: System) -> None:
    window = mac.window
    assert window is not None
    async with _running(mac) as running:
        assert await _later(mac, running) == [True]
        mac.presentation_options = FULL_SCREEN
        window.occlusion = 0
        mac.post(OCCLUSION_CHANGED, window)
        assert await _later(mac, running) == []
        mac.presentation_options = 0
        mac.post(LOCKED)
        mac.post(WOKEN)
        assert await _later(mac, running) == []
        mac.post(UNLOCKED)
        assert await _later(mac, running) == [False]


async def test_menu_bar_that_comes_for_the_pointer_is_left_out_of_account(mac: System) -> None:
    mac.defaults["_HIHideMenuBar"] = True
    assert mac.window is not None
    mac.window.occlusion = 0
    async with _running(mac) as running:
        assert await _later(mac, running) == []


async def test_many_changes_at_once_are_one_look(mac: System) -> None:
    async with _running(mac) as running:
        for _ in range(5):
            mac.post(SCREENS_CHANGED)
        assert await _later(mac, running) == [True]


async def test_signal_to_start_again_is_passed_on(mac: System) -> None:
    async with _running(mac) as running:
        mac.calls.put(lambda: mac.signal_handlers[RESTART_SIGNAL](RESTART_SIGNAL))
        await running.settle()
        assert running.restarts.qsize() == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_loop_in_order(mac: System, number: signal.BusSignals) -> None:
    async with _running(mac) as running:
        mac.calls.put(lambda: mac.signal_handlers[number](number))
        running.thread.join(PATIENCE_S)
        assert not running.thread.is_alive()


def test_message_is_given_to_a_command_as_arguments(tmp_path: Path) -> None:
    file = tmp_path / "told"
    message = Notification(key="k", title='The "key"', body="$(touch x) \\ `y`")
    command = ("/bin/sh", "-c", f'printf "%s|%s" "$1" "$2" > {file}', "sh")
    NotifyCommand(command).show(message).join(PATIENCE_S)
    assert file.read_text(encoding="utf-8") == f"{message.title}|{message.body}"


_NOT_SHOWN = "A message to the user could not be shown."
_NOT_ALLOWED = "osascript: execution error: Not authorized to send Apple events. (-1743)"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/nowhere/osascript",), "FileNotFoundError"),
        (("/bin/false",), "ended with 1"),
        (("/bin/sh", "-c", f"echo '{_NOT_ALLOWED}' >&2; exit 1"), "-1743"),
        (("/bin/sh", "-c", "exec sleep 60"), "TimeoutExpired"),
        (("/bin/sh", "-c", "kill -9 $$"), "ended with -9"),
    ],
)
def test_message_that_can_t_be_shown_is_logged_once_for_its_reason(
    command: tuple[str, ...], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = NotifyCommand(command, timeout_s=0.3)
    for _ in range(3):
        notifier.show(_MESSAGE).join(PATIENCE_S)
    assert caplog.messages == [_NOT_SHOWN]
    assert reason in vars(caplog.records[0])["reason"]


def test_message_that_can_t_be_shown_again_is_logged_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    works = tmp_path / "works"
    notifier = NotifyCommand(("/bin/sh", "-c", f"test -e {works}"))
    notifier.show(_MESSAGE).join(PATIENCE_S)
    works.touch()
    notifier.show(_MESSAGE).join(PATIENCE_S)
    works.unlink()
    notifier.show(_MESSAGE).join(PATIENCE_S)
    assert caplog.messages == [_NOT_SHOWN] * 2
