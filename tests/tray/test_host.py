"""The host's own part: which toolkit, which thread, which view."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from running_host import icon_of, sample_rows, sample_view

from offramp_tray.host import Host, HostError, open_host
from offramp_tray.view.view_model import MenuRow, Notification, RowKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_tray.toolkit.backend import Callbacks
    from offramp_tray.view.view_model import ViewModel

_ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="is about Linux's toolkits")


class _Backend:
    """A toolkit whose main loop runs what it was given, and ends when nothing is left."""

    def __init__(self) -> None:
        self.shown: list[ViewModel] = []
        self.notified: list[str] = []
        self.calls: list[Callable[[], None]] = []
        self.callbacks: Callbacks | None = None
        self.is_stopped = False

    def run(self, view: ViewModel, callbacks: Callbacks) -> None:
        self.shown.append(view)
        self.callbacks = callbacks
        callbacks.on_ready()
        while self.calls and not self.is_stopped:
            self.calls.pop(0)()

    def on_main_thread(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def show(self, view: ViewModel) -> None:
        self.shown.append(view)

    def notify(self, message: Notification) -> None:
        self.notified.append(message.key)

    def stop(self) -> None:
        self.is_stopped = True


def _run(host: Host, on_ready: Callable[[], None] = lambda: None) -> None:
    host.run(sample_view(title="first"), on_click=lambda _key: None, on_ready=on_ready)


def _titles(backend: _Backend) -> list[str]:
    return [view.title for view in backend.shown]


def test_faces_that_come_before_the_loop_are_shown_then() -> None:
    backend = _Backend()
    host = Host(backend)
    host.show(sample_view(title="early"))
    host.show(sample_view(title="later"))
    host.notify(Notification(key="key", title="", body=""))
    _run(host)
    assert _titles(backend) == ["first", "later"]
    assert backend.notified == ["key"]


def test_faces_in_quick_succession_are_shown_once() -> None:
    backend = _Backend()
    host = Host(backend)

    def show_many() -> None:
        for number in range(5):
            host.show(sample_view(title=f"{number}"))

    _run(host, show_many)
    assert _titles(backend) == ["first", "4"]


def test_calls_keep_their_order() -> None:
    host = Host(_Backend())
    order: list[int] = []
    for number in range(3):
        host.on_main_thread(lambda number=number: order.append(number))  # type: ignore[misc]
    _run(host, lambda: host.on_main_thread(lambda: order.append(3)))
    assert order == [0, 1, 2, 3]


def test_call_that_fails_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    backend = _Backend()
    host = Host(backend)

    def fail() -> None:
        raise RuntimeError("deliberate")

    host.on_main_thread(fail)
    host.show(sample_view(title="after"))
    _run(host, fail)
    assert _titles(backend) == ["first", "after"]
    assert caplog.text.count("RuntimeError: deliberate") == 2


def test_stop_before_the_loop_ends_it_at_once() -> None:
    backend = _Backend()
    host = Host(backend)
    host.stop()
    host.show(sample_view(title="never"))
    _run(host)
    assert _titles(backend) == ["first"]


def test_calls_after_the_loop_are_dropped() -> None:
    backend = _Backend()
    host = Host(backend)
    _run(host)
    host.show(sample_view())
    host.stop()
    assert backend.calls == []


def test_callbacks_that_nobody_wants_are_possible() -> None:
    backend = _Backend()
    _run(Host(backend))
    assert backend.callbacks is not None
    backend.callbacks.on_open()
    backend.callbacks.on_presence(True)
    assert not backend.is_stopped


def test_message_can_be_found_in_the_log_whatever_the_desktop_makes_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="offramp_tray")
    Host(_Backend()).notify(Notification(key="k", title="No key", body="Set it."))
    [record] = [each for each in caplog.records if each.message == "Shown to the user"]
    assert (vars(record)["title"], vars(record)["body"]) == ("No key", "Set it.")


@pytest.mark.parametrize(
    "rows",
    [
        (MenuRow(key="k", kind=RowKind.ACTION), MenuRow(key="k", kind=RowKind.ACTION)),
        (
            MenuRow(key="k", kind=RowKind.ACTION),
            MenuRow(key="s", kind=RowKind.SUBMENU, rows=(MenuRow(key="k", kind=RowKind.ACTION),)),
        ),
    ],
)
def test_rows_with_one_key_are_refused_where_they_are_made(rows: tuple[MenuRow, ...]) -> None:
    host = Host(_Backend())
    with pytest.raises(ValueError, match="'k'"):
        host.show(sample_view(rows=rows))


def test_faces_may_come_from_many_threads() -> None:
    backend = _Backend()
    host = Host(backend)
    view = sample_view(title="thread", icon=icon_of(16), rows=sample_rows())
    threads = [threading.Thread(target=host.show, args=(view,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _run(host)
    assert _titles(backend) == ["first", "thread"]


@_ON_LINUX
def test_linux_with_a_session_bus_speaks_to_it() -> None:
    host = open_host({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/bus"})
    assert type(vars(host)["_backend"]).__name__ == "StatusNotifierBackend"


@_ON_LINUX
@pytest.mark.parametrize("error", [ImportError("no gi"), ValueError("no AppIndicator3")])
def test_linux_with_nothing_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(name: str) -> None:
        assert name == "offramp_tray.linux.appindicator"
        raise error

    monkeypatch.setattr("offramp_tray.host.importlib.import_module", refuse)
    with pytest.raises(HostError) as raised:
        open_host({})
    assert "no session bus" in raised.value.title
    assert "desktop session" in raised.value.hint
