"""The last resort on Linux: pystray's real backend, against stand-ins for GTK's modules."""

from __future__ import annotations

import contextlib
import importlib
import io
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from gi_stand_in import MADE_WITH, Desktop, forget
from patience import PATIENCE_S
from PIL import Image
from running_host import icon_of, running_host, sample_rows, sample_view

from offramp_core.running_tray import RESTART_SIGNAL
from offramp_tray.host import open_host
from offramp_tray.toolkit.pystray_menu import pystray_base
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from running_host import RunningHost

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="is about Linux's toolkits")


@pytest.fixture
def gtk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    desktop = Desktop()
    for name, module in desktop.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    package = sys.modules[pystray_base.__package__]
    monkeypatch.delattr(package, "_appindicator", raising=False)
    forget(*MADE_WITH)
    yield desktop
    forget(*MADE_WITH)


@contextlib.asynccontextmanager
async def _running() -> AsyncIterator[RunningHost]:
    backend = importlib.import_module("offramp_tray.linux.appindicator").AppIndicatorBackend()
    view = sample_view(icon=icon_of(16, 24, 48), label="68 %")
    async with running_host(backend, view) as running:
        assert await running.next_presence()
        await running.settle()
        yield running


def _row(menu: Any, label: str) -> Any:
    return next(row for row in menu.rows if row.label == label)


async def test_message_is_no_markup(gtk: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    async with _running() as running:
        posted: list[Notification] = []
        module = sys.modules["offramp_tray.linux.appindicator"]
        monkeypatch.setattr(module.NotifyCommand, "show", lambda _self, each: posted.append(each))
        running.host.notify(Notification(key="k", title="<A> & B", body="<i>/home</i> & more"))
        await running.settle()
        assert [(message.title, message.body) for message in posted] == [
            ("<A> & B", "&lt;i&gt;/home&lt;/i&gt; &amp; more")
        ]


async def test_icon_is_shown_with_its_words_and_menu(gtk: Desktop) -> None:
    async with _running():
        indicator = gtk.indicator
        assert (indicator.name, indicator.status) == ("offramp", "active")
        assert (indicator.title, indicator.label) == ("Z.ai 68 %, Claude 32 % this week", "68 %")
        assert Image.open(io.BytesIO(indicator.picture)).size == (24, 24)
        labels = [row.label for row in indicator.menu.rows]
        assert labels[:4] == ["Z.ai 68 %, Claude 32 %", "---", "Pause delegation", "Pause for"]
        assert _row(indicator.menu, "Pause delegation").active is False
        assert [row.label for row in _row(indicator.menu, "Pause for").submenu.rows] == [
            "1 hour",
            "Until tomorrow",
        ]


async def test_click_names_its_row(gtk: Desktop) -> None:
    async with _running() as running:
        gtk.calls.put(_row(gtk.indicator.menu, "Open charts…").click)
        assert await running.next_click() == "charts"


async def test_new_face_is_shown(gtk: Desktop) -> None:
    async with _running() as running:
        view = sample_view(
            title="New", icon=icon_of(16), label="", rows=sample_rows(is_paused=True)
        )
        running.host.show(view)
        await running.settle()
        await running.settle()
        assert (gtk.indicator.title, gtk.indicator.label) == ("New", "")
        assert Image.open(io.BytesIO(gtk.indicator.picture)).size == (16, 16)
        assert _row(gtk.indicator.menu, "Pause delegation").active is True


async def test_same_menu_is_not_made_anew(gtk: Desktop) -> None:
    async with _running() as running:
        menu = gtk.indicator.menu
        running.host.show(sample_view(title="New", icon=icon_of(16, 24, 48)))
        await running.settle()
        await running.settle()
        assert gtk.indicator.menu is menu


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_loop(gtk: Desktop, number: signal.BusSignals) -> None:
    async with _running() as running:
        gtk.calls.put(gtk.signal_handlers[number])
        running.thread.join(PATIENCE_S)
        assert not running.thread.is_alive()


async def test_signal_to_start_again_is_heeded_each_time(gtk: Desktop) -> None:
    async with _running() as running:
        for _ in range(2):
            assert gtk.signal_handlers[RESTART_SIGNAL]() is True  # or GLib would forget it
        assert running.restarts.qsize() == 2


def test_it_is_taken_where_the_bus_can_t_be_reached(gtk: Desktop) -> None:
    host = open_host({"DBUS_SESSION_BUS_ADDRESS": "autolaunch:"})
    assert type(vars(host)["_backend"]).__name__ == "AppIndicatorBackend"
    assert gtk.indicator is None  # nothing is shown yet
