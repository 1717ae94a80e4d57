"""Where the window stood: kept, and never in the way."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from offramp_core.errors import OfframpError
from offramp_dashboard.data.pause_choices import PauseChoice, end_of
from offramp_dashboard.single_instance import SingleInstance
from offramp_dashboard.theme import ThemeChoice
from offramp_dashboard.window import geometry
from offramp_dashboard.window.geometry import WindowMemory

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

BERLIN = ZoneInfo("Europe/Berlin")


def test_what_is_saved_is_found(tmp_path: Path) -> None:
    memory = WindowMemory(x=-20, y=40, width=1000, height=700, page=2, theme=ThemeChoice.DARK)
    file = tmp_path / "new" / "window.json"

    geometry.save(file, memory)

    assert geometry.load(file) == memory
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"width": "wide"}', b'{"theme": "pink"}', b"\xff\xfe", b"[" * 50_000],
)
def test_file_that_makes_no_sense_is_the_default(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "window.json"
    file.write_bytes(content)

    assert geometry.load(file) == WindowMemory()


def test_size_that_makes_no_sense_keeps_the_theme(tmp_path: Path) -> None:
    file = tmp_path / "window.json"
    file.write_bytes(b'{"width": 0, "height": 100000, "theme": "dark"}')

    assert geometry.load(file) == WindowMemory(theme=ThemeChoice.DARK)


def test_pipe_in_the_files_place_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "window.json"
    os.mkfifo(file)

    assert geometry.load(file) == WindowMemory()


def test_second_window_shows_the_first(tmp_path: Path, qtbot: QtBot) -> None:
    socket = tmp_path / "run" / "charts.sock"
    first, second = SingleInstance(socket), SingleInstance(socket)
    assert first.claim()
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700

    with qtbot.waitSignal(first.raise_asked) as raised:
        assert not second.claim()
    assert raised.args == [""]
    with qtbot.waitSignal(first.raise_asked) as raised:
        assert not second.claim("settings")
    assert raised.args == ["settings"]

    first.release()
    assert second.claim()
    second.release()


def test_socket_of_a_window_that_died_is_no_window(tmp_path: Path) -> None:
    socket = tmp_path / "run" / "charts.sock"
    socket.parent.mkdir(mode=0o700)
    socket.touch()
    instance = SingleInstance(socket)

    assert instance.claim()
    instance.release()


def test_folder_that_others_can_open_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o755)

    with pytest.raises(OfframpError) as caught:
        SingleInstance(folder / "charts.sock").claim()

    assert "chmod 700" in caught.value.hint


@pytest.mark.parametrize(
    ("choice", "end"),
    [
        (PauseChoice.HOUR, datetime(2026, 3, 28, 22, 30, tzinfo=UTC)),
        (PauseChoice.TOMORROW, datetime(2026, 3, 29, 6, 0, tzinfo=UTC)),
        (PauseChoice.WEEK, datetime(2026, 4, 2, 20, 0, tzinfo=UTC)),
        (PauseChoice.RESUMED, None),
    ],
)
def test_pauses_end_by_the_clock_even_where_it_changes(
    choice: PauseChoice, end: datetime | None
) -> None:
    now = datetime(2026, 3, 28, 21, 30, tzinfo=UTC)
    week_end = datetime(2026, 4, 2, 22, 0, tzinfo=BERLIN)

    assert end_of(choice, now, BERLIN, week_end) == end
