"""The window with its log and its files: what is chosen holds, what is seen can be kept."""

from __future__ import annotations

import csv
import json
import resource
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from log_samples import OFFRAMP, environ_for
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel
from quota_samples import claude_week, keep, next_reset

from offramp_cli.demo.sample_history import write_history
from offramp_core.errors import OfframpError
from offramp_core.paths import Paths
from offramp_core.usage.measure import Measure
from offramp_dashboard.controller import ChartsController
from offramp_dashboard.data import filters
from offramp_dashboard.data.snapshot import FeedState
from offramp_dashboard.models.columns import Column
from offramp_dashboard.models.requests import RequestsModel
from offramp_dashboard.settings_page.dialog import SettingsDialog
from offramp_dashboard.setup_page.pages import ConnectPage
from offramp_dashboard.theme import ThemeChoice
from offramp_dashboard.window import geometry
from offramp_dashboard.window.geometry import WindowMemory
from offramp_dashboard.window.main_window import PAGES
from offramp_dashboard.window.menus import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from offramp_dashboard.window.styling import Styling


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths.under(tmp_path)
    found.log_dir.mkdir(parents=True)
    write_history(found.log_dir, datetime.now(UTC), 5)
    return found


@pytest.fixture
def start(
    paths: Paths, styling: Styling, qtbot: QtBot
) -> Iterator[Callable[..., ChartsController]]:
    """Open a window over the log and wait until that is read."""
    started: list[ChartsController] = []

    def open_one(**environ: str) -> ChartsController:
        controller = ChartsController(
            paths, {"TZ": "Europe/Berlin", **environ}, styling, is_demo=False
        )
        qtbot.addWidget(controller.window)
        controller.start()
        started.append(controller)
        controller.window.show()
        qtbot.waitUntil(lambda: _state(controller) is FeedState.READY)
        return controller

    yield open_one
    for controller in started:
        controller.stop()


def _state(controller: ChartsController) -> FeedState | None:
    snapshot = controller.window.snapshot
    return snapshot.log_status.state if snapshot else None


def _snapshot(controller: ChartsController) -> Any:
    assert controller.window.snapshot is not None
    return controller.window.snapshot


def test_week_is_claudes_and_moves_with_it_as_the_command_says(
    start: Callable[..., ChartsController], paths: Paths, tmp_path: Path, qtbot: QtBot
) -> None:
    reset = next_reset()
    keep(paths, claude_week(reset))
    controller = start()
    assert _snapshot(controller).week_summary.end == reset

    moved = reset + timedelta(hours=5)
    keep(paths, claude_week(moved, used=0.41))
    controller.follow_week()
    qtbot.waitUntil(lambda: _snapshot(controller).week_summary.end == moved)
    qtbot.waitUntil(lambda: _state(controller) is FeedState.READY)

    told = subprocess.run(
        [*OFFRAMP, "stats", "--json"],
        env=environ_for(tmp_path, TZ="Europe/Berlin"),
        capture_output=True,
        check=True,
    )
    weeks = [datetime.fromisoformat(each["start"]) for each in json.loads(told.stdout)["weeks"]]
    assert [week.start for week in _snapshot(controller).weeks.weeks] == weeks


def test_figure_of_the_same_week_reads_nothing_anew(
    start: Callable[..., ChartsController], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    reset = next_reset()
    keep(paths, claude_week(reset))
    controller = start()
    reopened: list[object] = []
    monkeypatch.setattr(controller.feed, "reopen", reopened.append)
    keep(paths, claude_week(reset + timedelta(seconds=1), used=0.41))
    controller.follow_week()
    controller.follow_week()
    assert reopened == []


def test_toggles_act_on_the_charts_and_are_remembered(
    start: Callable[..., ChartsController], paths: Paths, qtbot: QtBot
) -> None:
    controller = start()
    controller.window.provider_toggled.emit("zai", False)
    controller.window.measure_chosen.emit(Measure.REQUESTS)

    qtbot.waitUntil(lambda: _snapshot(controller).measure is Measure.REQUESTS)
    assert [each.key for each in _snapshot(controller).providers if not each.is_on] == ["zai"]
    assert {part.backend for part in _snapshot(controller).week_summary.parts} == {"anthropic"}
    kept = filters.load(paths.charts_selection_file)
    assert kept.hidden_providers == {"zai"}
    assert kept.measure is Measure.REQUESTS

    controller.window.show_all_asked.emit()
    qtbot.waitUntil(lambda: all(each.is_on for each in _snapshot(controller).providers))


def test_range_is_shown_and_left(start: Callable[..., ChartsController], qtbot: QtBot) -> None:
    controller = start()
    end = datetime.now(UTC)

    controller.window.choose_span(end - timedelta(hours=2), end)
    qtbot.waitUntil(lambda: _snapshot(controller).chosen is not None)

    controller.window.go_back()
    qtbot.waitUntil(lambda: _snapshot(controller).chosen is None)


@pytest.mark.parametrize("table", list(Table))
def test_every_table_can_be_exported(
    start: Callable[..., ChartsController], paths: Paths, tmp_path: Path, table: Table, qtbot: QtBot
) -> None:
    keep(paths, claude_week(next_reset()))
    controller = start()
    qtbot.waitUntil(lambda: controller.window.requests.table.model().rowCount() > 0)
    file = tmp_path / "out.csv"

    controller.exporter.save_table(table, file)

    with file.open(newline="", encoding="utf-8") as opened:
        header, *rows = csv.reader(opened)
    assert header
    assert rows
    assert all(len(row) == len(header) for row in rows)


def test_page_can_be_exported_as_an_image(
    start: Callable[..., ChartsController], tmp_path: Path
) -> None:
    controller = start()
    controller.exporter.save_image(tmp_path / "out.png")

    assert not QImage(str(tmp_path / "out.png")).isNull()
    with pytest.raises(OfframpError, match="can't be written"):
        controller.exporter.save_image(tmp_path / "nowhere" / "out.png")


def test_place_size_page_and_theme_are_remembered(
    start: Callable[..., ChartsController], paths: Paths
) -> None:
    controller = start()
    controller.restore(WindowMemory(x=30, y=20, width=710, height=610, page=1))
    controller.window.theme_chosen.emit(ThemeChoice.DARK)
    controller.window.close()

    memory = geometry.load(paths.charts_window_file)
    assert (memory.width, memory.height, memory.page) == (710, 610, 1)
    assert (memory.x, memory.y) == (30, 20)
    assert memory.theme is ThemeChoice.DARK


def test_order_and_widths_of_the_requests_are_remembered(
    start: Callable[..., ChartsController], paths: Paths
) -> None:
    controller = start()
    table = controller.window.requests.table
    table.sort_by(Column.OUTPUT, Qt.SortOrder.AscendingOrder)
    table.set_widths({"time": 211, "model": 123})
    controller.window.close()

    again = start()
    again.restore(geometry.load(paths.charts_window_file))

    model = again.window.requests.table.model()
    assert isinstance(model, RequestsModel)
    assert model.order == (Column.OUTPUT, Qt.SortOrder.AscendingOrder)
    widths = again.window.requests.table.widths()
    assert (widths["time"], widths["model"]) == (211, 123)


def test_window_larger_than_its_screen_is_made_to_fit(
    start: Callable[..., ChartsController],
) -> None:
    controller = start()
    controller.restore(WindowMemory(width=9_000, height=9_000))
    room = controller.window.screen().availableGeometry()
    assert controller.window.width() <= room.width()
    assert controller.window.height() <= room.height()


def test_place_on_a_screen_that_is_gone_is_not_taken(
    start: Callable[..., ChartsController],
) -> None:
    controller = start()
    controller.restore(WindowMemory(x=50_000, y=50_000, width=900, height=600))

    assert controller.window.x() < 50_000


def test_settings_that_are_refused_are_said_and_the_charts_come_all_the_same(
    start: Callable[..., ChartsController],
) -> None:
    controller = start(WEEK_START_DAY="9")

    assert "WEEK_START_DAY = '9' is out of range" in controller.window.banner.text
    assert _snapshot(controller).week_summary.parts


def test_pause_without_a_daemon_is_refused_in_words(
    start: Callable[..., ChartsController], qtbot: QtBot
) -> None:
    controller = start()

    controller.window.resume_asked.emit()

    qtbot.waitUntil(lambda: "not running" in controller.window.banner.text)


def test_new_request_is_seen_soon(
    start: Callable[..., ChartsController], paths: Paths, qtbot: QtBot
) -> None:
    controller = start()
    before = _snapshot(controller).week_summary.parts
    log = max(paths.log_dir.glob("requests-*.jsonl"))
    line = log.read_bytes().splitlines()[-1]

    with log.open("ab") as file:
        file.write(line + b"\n")

    qtbot.waitUntil(lambda: _snapshot(controller).week_summary.parts != before)


def test_export_before_the_first_picture_is_refused(
    paths: Paths, styling: Styling, qtbot: QtBot, tmp_path: Path
) -> None:
    controller = ChartsController(paths, {"TZ": "Europe/Berlin"}, styling, is_demo=False)
    qtbot.addWidget(controller.window)

    with pytest.raises(OfframpError, match="nothing to write"):
        controller.exporter.save_table(Table.WEEKS, tmp_path / "out.csv")

    assert not (tmp_path / "out.csv").exists()


def test_connecting_opens_the_set_up_at_that_step(
    start: Callable[..., ChartsController], qtbot: QtBot
) -> None:
    controller = start()
    controller.window.connect_asked.emit()
    opened = controller.setup.window
    assert opened is not None
    assert isinstance(opened.page, ConnectPage)
    qtbot.waitUntil(lambda: not opened.page.is_busy)
    opened.reject()


def test_requests_are_exported_without_what_another_page_hides(
    start: Callable[..., ChartsController], tmp_path: Path, qtbot: QtBot
) -> None:
    controller = start()
    qtbot.waitUntil(lambda: controller.window.requests.table.model().rowCount() > 0)
    controller.window.provider_toggled.emit("zai", False)
    qtbot.waitUntil(lambda: not all(each.is_on for each in _snapshot(controller).providers))

    controller.exporter.save_table(Table.REQUESTS, tmp_path / "out.csv")

    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as opened:
        assert {row["backend"] for row in csv.DictReader(opened)} == {"anthropic"}


def test_image_that_cannot_be_written_whole_leaves_the_last_one(
    start: Callable[..., ChartsController], tmp_path: Path
) -> None:
    controller = start()
    file = tmp_path / "out.png"
    file.write_bytes(b"the last one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OfframpError, match="can't be written: File too large"):
            controller.exporter.save_image(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert file.read_bytes() == b"the last one"
    assert [each.name for each in tmp_path.glob("*out.png*")] == ["out.png"]


def test_image_without_an_ending_is_a_png(
    start: Callable[..., ChartsController], tmp_path: Path
) -> None:
    controller = start()
    controller.exporter.save_image(tmp_path / "out")
    assert (tmp_path / "out").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OfframpError, match="as an image"):
        controller.exporter.save_image(tmp_path / "out.txt")


def test_name_of_a_file_that_looks_like_html_is_said_as_it_is(
    start: Callable[..., ChartsController], tmp_path: Path
) -> None:
    banner = start().window.banner
    banner.show_message(f"Exported to {tmp_path / '<b>out'}.")
    (label,) = (each for each in banner.findChildren(QLabel) if each.text() == banner.text)
    assert label.textFormat() is Qt.TextFormat.PlainText


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)
def test_window_shows_the_place_that_a_second_start_asks_for(
    start: Callable[..., ChartsController],
) -> None:
    controller = start()
    controller.show_place("quota")
    assert PAGES[controller.window.page] == "Quota"
    for place in ("", "of tomorrow"):
        controller.show_place(place)
        assert PAGES[controller.window.page] == "Quota"
    for _ in range(2):
        controller.show_place("settings")
        assert len(controller.window.findChildren(SettingsDialog)) == 1
    assert controller.window.findChild(SettingsDialog).isVisible()
