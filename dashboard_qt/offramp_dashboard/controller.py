"""Joins the window with what it shows and what it asks for: the log, the daemon, the settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot

from offramp_core.claude_settings.locations import SettingsLocations
from offramp_core.control.client import ControlClient
from offramp_core.errors import OfframpError
from offramp_core.quota import week_start
from offramp_core.usage.weeks import Span, system_zone
from offramp_dashboard import screen_fit
from offramp_dashboard.daemon_start import DaemonStarter
from offramp_dashboard.daemon_watch import DaemonWatch
from offramp_dashboard.data import filters, pause_choices
from offramp_dashboard.data.feed_worker import FeedSources
from offramp_dashboard.data.setup.outcome import Way
from offramp_dashboard.data.setup.steps import steps_for
from offramp_dashboard.data.window_settings import WindowSettings
from offramp_dashboard.exporter import Exporter
from offramp_dashboard.feed import Feed
from offramp_dashboard.models.columns import Column
from offramp_dashboard.models.requests import RequestsModel
from offramp_dashboard.models.session_columns import SessionColumn
from offramp_dashboard.models.sessions import SessionsModel
from offramp_dashboard.setup_page.opener import SetupOpener
from offramp_dashboard.window import geometry
from offramp_dashboard.window.main_window import PAGES, ChartsWindow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.login_item.autostart import TraySwitch
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings
    from offramp_core.usage.measure import Measure
    from offramp_dashboard.data.filters import Selection
    from offramp_dashboard.data.pause_choices import PauseChoice
    from offramp_dashboard.data.snapshot import DaemonSummary
    from offramp_dashboard.theme import ThemeChoice
    from offramp_dashboard.window.geometry import WindowMemory
    from offramp_dashboard.window.styling import Styling

SETTINGS = "settings"
"""Names the settings as the place of the window that is to be shown."""

_WEEK_EVERY_MS = 30_000
"""Between two looks at whether Claude told another week."""


class ChartsController(QObject):
    """One window at work."""

    def __init__(
        self,
        paths: Paths,
        environ: Mapping[str, str],
        styling: Styling,
        *,
        is_demo: bool,
        login_item: TraySwitch | None = None,
    ) -> None:
        """Make everything; nothing is read or asked before `start`.

        Without `login_item` the settings don't offer to start at login.
        """
        super().__init__()
        self._paths = paths
        self._environ = environ
        self._is_demo = is_demo
        self._login_item = login_item
        self._styling = styling
        self._zone = system_zone(environ)
        self._settings = WindowSettings(paths, environ, self._zone, is_demo=is_demo)
        self._selection = filters.load(paths.charts_selection_file)
        self._table = RequestsModel(self._zone, _now, self)
        self._sessions = SessionsModel(self._zone, _now, self)
        self.window = ChartsWindow(self._table, self._sessions, styling.theme)
        self.exporter = Exporter(self.window, self._table, self._sessions, self._zone, self)
        self.window.setWindowTitle("Demo" if is_demo else "Offramp")
        self.watch = DaemonWatch(ControlClient(paths.control_socket), self._zone, _now, self)
        self.starter = DaemonStarter(self)
        self.setup = SetupOpener(lambda: steps_for(paths, environ), self.window)
        self.window.toolbar.is_demo = is_demo
        self._opened = self._sources(self._load_settings())
        self._seen_quota = week_start.mark(paths.quota_file)
        self.feed = Feed(self._opened, self._selection, _now, self)
        self._week_clock = QTimer(self, interval=_WEEK_EVERY_MS)
        self._connect()

    def start(self) -> None:
        """Begin to read and to watch."""
        self.feed.start()
        self.watch.start()
        self._week_clock.start()

    def stop(self) -> None:
        """End both; returns within seconds."""
        self._week_clock.stop()
        self.feed.stop()
        self.watch.stop()
        self.starter.stop()
        self.setup.stop()

    def restore(self, memory: WindowMemory) -> None:
        """Put the window where it was, as far as there is a screen."""
        window = self.window
        screen_fit.fit(window, memory.width, memory.height)
        if screen_fit.is_on_screen(window, memory.x, memory.y):
            window.move(memory.x or 0, memory.y or 0)
            screen_fit.fit(window, memory.width, memory.height)
        table = window.requests.table
        table.set_widths(memory.column_widths)
        up, down = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
        columns = {column.name.lower(): column for column in Column}
        column = columns.get(memory.sorted_by, Column.TIME)
        table.sort_by(column, down if memory.is_descending else up)
        sessions = window.sessions.table
        sessions.set_widths(memory.session_widths)
        session_columns = {column.name.lower(): column for column in SessionColumn}
        by = session_columns.get(memory.sessions_sorted_by, SessionColumn.LAST)
        sessions.sort_by(by, down if memory.sessions_descending else up)
        window.show_page(memory.page)
        window.menus.show_theme(self._styling.choice)
        if memory.is_maximized:
            window.showMaximized()

    @Slot()
    def remember(self) -> None:
        """Keep where the window is; where that is not possible, it just isn't remembered."""
        window = self.window
        usual = window.normalGeometry() if window.isMaximized() else window.geometry()
        column, order = self._table.order
        session_column, session_order = self._sessions.order
        memory = geometry.WindowMemory(
            x=usual.x() if window.isMaximized() else window.x(),
            y=usual.y() if window.isMaximized() else window.y(),
            width=usual.width(),
            height=usual.height(),
            is_maximized=window.isMaximized(),
            page=window.page,
            theme=self._styling.choice,
            sorted_by=column.name.lower(),
            is_descending=order is Qt.SortOrder.DescendingOrder,
            column_widths=window.requests.table.widths(),
            sessions_sorted_by=session_column.name.lower(),
            sessions_descending=session_order is Qt.SortOrder.DescendingOrder,
            session_widths=window.sessions.table.widths(),
        )
        try:
            geometry.save(self._paths.charts_window_file, memory)
        except OSError:
            return

    @Slot()
    def bring_to_front(self) -> None:
        """Show the window over the others."""
        self.window.showNormal() if self.window.isMinimized() else self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    @Slot(str)
    def show_place(self, place: str) -> None:
        """Show the window over the others, with a page or the settings; as it was for nothing."""
        self.bring_to_front()
        names = [name.lower() for name in PAGES]
        if place in names:
            self.window.show_page(names.index(place))
        elif place == SETTINGS:
            self._open_settings()

    def _connect(self) -> None:
        window, feed, watch = self.window, self.feed, self.watch
        feed.snapshot_ready.connect(window.show_snapshot)
        feed.fill(self._table)
        watch.changed.connect(self._show_daemon)
        watch.quota_reported.connect(feed.show_quota_report)
        watch.refused.connect(self._refuse)
        watch.answered.connect(window.show_message)
        watch.busy_changed.connect(window.set_busy)
        self._styling.changed.connect(window.set_theme)
        window.shown_changed.connect(feed.set_shown)
        window.measure_chosen.connect(self._choose_measure)
        window.provider_toggled.connect(self._toggle_provider)
        window.model_toggled.connect(self._toggle_model)
        window.provider_soloed.connect(self._solo_provider)
        window.model_soloed.connect(self._solo_model)
        window.project_toggled.connect(self._toggle_project)
        window.all_projects_asked.connect(self._show_all_projects)
        window.project_asked.connect(self._show_only_project)
        window.session_asked.connect(self._show_session)
        window.list_asked.connect(self._list_sessions)
        window.show_all_asked.connect(self._show_all)
        window.span_chosen.connect(self._choose_span)
        window.refresh_asked.connect(self.refresh)
        window.pause_asked.connect(self._pause)
        window.resume_asked.connect(watch.resume)
        window.theme_chosen.connect(self._choose_theme)
        window.image_asked.connect(self.exporter.ask_image)
        window.table_asked.connect(self.exporter.ask_table)
        window.start_asked.connect(self._start_daemon)
        self.starter.failed.connect(self.setup.explain_failed_start)
        self.setup.failed.connect(lambda text: window.show_message(text, is_problem=True))
        self.setup.changed.connect(self.refresh)
        window.settings_asked.connect(self._open_settings)
        window.setup_asked.connect(self._open_setup)
        window.connect_asked.connect(lambda: self._open_setup(Way.CONNECT))
        window.closing.connect(self.remember)
        self._week_clock.timeout.connect(self.follow_week)

    # What the user wants to see.

    @Slot()
    def refresh(self) -> None:
        """Read settings and log again."""
        self._opened = self._sources(self._load_settings())
        self.feed.reopen(self._opened)

    @Slot()
    def follow_week(self) -> None:
        """Count by another week if Claude has told one since the log was opened."""
        seen = week_start.mark(self._paths.quota_file)
        if seen == self._seen_quota:
            return
        self._seen_quota = seen
        if self._settings.boundary() != self._opened.boundary:
            self.refresh()

    def _select(self, wanted: Selection) -> None:
        self._selection = wanted
        self.feed.select(wanted)
        try:
            filters.save(self._paths.charts_selection_file, wanted)
        except OfframpError as error:
            self.window.show_message(str(error), is_problem=True)

    @Slot(object)
    def _choose_measure(self, measure: Measure) -> None:
        self._select(replace(self._selection, measure=measure))

    @Slot(str, bool)
    def _toggle_provider(self, key: str, is_on: bool) -> None:
        self._select(self._selection.with_provider(key, is_on=is_on))

    @Slot(str, bool)
    def _toggle_model(self, key: str, is_on: bool) -> None:
        self._select(self._selection.with_model(key, is_on=is_on))

    @Slot(str)
    def _solo_provider(self, key: str) -> None:
        snapshot = self.window.snapshot
        known = [each.key for each in snapshot.providers] if snapshot else []
        self._select(self._selection.with_only_provider(key, known))

    @Slot(str)
    def _solo_model(self, key: str) -> None:
        snapshot = self.window.snapshot
        known = [each.key for each in snapshot.models] if snapshot else []
        self._select(self._selection.with_only_model(key, known))

    @Slot(str, bool)
    def _toggle_project(self, key: str, is_on: bool) -> None:
        self._select(self._selection.with_project(key, is_on=is_on))

    @Slot()
    def _show_all_projects(self) -> None:
        self._select(replace(self._selection, projects=frozenset()))

    @Slot(str)
    def _show_only_project(self, key: str) -> None:
        self._select(replace(self._selection, projects=frozenset({key})))

    @Slot(str)
    def _show_session(self, session: str) -> None:
        self._select(replace(self._selection, session=session or None))

    @Slot(bool)
    def _list_sessions(self, is_wanted: bool) -> None:
        self._select(replace(self._selection, lists_sessions=is_wanted))

    @Slot()
    def _show_all(self) -> None:
        self._select(self._selection.with_everything())

    @Slot(object, object)
    def _choose_span(self, start: datetime | None, end: datetime | None) -> None:
        span = None if start is None or end is None else Span(start, end)
        self._select(replace(self._selection, span=span))

    @Slot(object)
    def _choose_theme(self, choice: ThemeChoice) -> None:
        self._styling.choose(choice)
        self.remember()

    # What the user wants of the daemon.

    @Slot(object)
    def _show_daemon(self, daemon: DaemonSummary) -> None:
        self.window.show_daemon(daemon)

    @Slot(str, str)
    def _refuse(self, title: str, hint: str) -> None:
        self.window.show_message(f"{title} {hint}", is_problem=True)

    @Slot(object)
    def _pause(self, choice: PauseChoice) -> None:
        now = _now()
        self._load_settings()
        week_end = self._settings.boundary().week_of(now).end
        self.watch.pause(pause_choices.end_of(choice, now, self._zone, week_end))

    @Slot()
    def _start_daemon(self) -> None:
        if self._is_demo:
            self.window.show_passing("The demo is started in a terminal: offramp demo")
        else:
            self.starter.start()

    # Settings.

    @Slot()
    def _open_settings(self) -> None:
        from offramp_dashboard.settings_page.dialog import SettingsDialog  # opened rarely

        if (dialog := self.window.findChild(SettingsDialog)) is not None:
            dialog.raise_()
            dialog.activateWindow()
            return
        dialog = SettingsDialog(
            self._paths,
            self._environ,
            self.window,
            is_demo=self._is_demo,
            login_item=self._login_item,
        )
        dialog.saved.connect(self.refresh)
        dialog.open()

    @Slot()
    def _open_setup(self, way: Way | None = None) -> None:
        if self._is_demo:
            self.window.show_passing("The demo needs no set-up.")
        else:
            self.setup.open(way)

    def _load_settings(self) -> Settings:
        """As they are now; the default ones, and a word about it, where they are refused."""
        self._settings.read()
        self.window.show_message(self._settings.problem, is_problem=True)
        self.watch.routed = self._settings.routed()
        return self._settings.current

    def _claude_folder(self) -> Path:
        found = SettingsLocations.for_user(self._environ, home=Path.home(), folder=Path.home())
        return found.user.parent

    def _sources(self, settings: Settings) -> FeedSources:
        return FeedSources(
            log_dir=settings.log_dir or self._paths.log_dir,
            cache_dir=self._paths.folded_months,
            quota_file=self._paths.quota_file,
            boundary=self._settings.boundary(),
            asked=self._settings.asked(),
            claude_folder=self._claude_folder() if settings.show_projects else None,
            home=Path.home(),
        )


def _now() -> datetime:
    return datetime.now(UTC)
