"""The window: its pages, menus and shortcuts. It draws what it is given, says what is wanted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from offramp_dashboard.data.snapshot import DaemonCondition
from offramp_dashboard.theme import GRID_PX
from offramp_dashboard.views.empty_states import (
    AlertBanner,
    Banner,
    NoticeAction,
    NoticePage,
    notice_for,
    remark_on,
)
from offramp_dashboard.views.filter_bar import FilterBar
from offramp_dashboard.views.pages import ChartPage, HistoryPage, Overview, summary_of
from offramp_dashboard.views.quota_page import QuotaChartsPage
from offramp_dashboard.views.requests_view import RequestsView
from offramp_dashboard.views.sessions_view import SessionsView
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.toolbar import Toolbar
from offramp_dashboard.views.widgets.card import ElidedLabel
from offramp_dashboard.views.widgets.toast import Toast
from offramp_dashboard.window import picture
from offramp_dashboard.window.help import ShortcutsPanel, show_about
from offramp_dashboard.window.menus import Menus
from offramp_dashboard.window.picture import PagePicture
from offramp_dashboard.window.ranges import RangeHistory
from offramp_dashboard.window.reading_progress import ReadingProgress

if TYPE_CHECKING:
    from PySide6.QtGui import (
        QCloseEvent,
        QHideEvent,
        QKeyEvent,
        QPixmap,
        QResizeEvent,
        QShowEvent,
    )

    from offramp_dashboard.data.snapshot import DaemonSummary, Snapshot
    from offramp_dashboard.models.requests import RequestsModel
    from offramp_dashboard.models.sessions import SessionsModel
    from offramp_dashboard.theme import Theme

PAGES = ("Overview", "History", "Requests", "Quota", "Sessions")
_OVERVIEW, _REQUESTS, _QUOTA, _SESSIONS = 0, 2, 3, 4
_SMALLEST = QSize(640, 420)
_UNFILTERED = "Filters don't apply to the plans"


class ChartsWindow(QMainWindow):
    """The charts window.

    Signals:
        measure_chosen(Measure): count these.
        provider_toggled(str, bool), model_toggled(str, bool): show or hide them.
        provider_soloed(str), model_soloed(str): show only that one of its kind, or all again.
        project_toggled(str, bool), all_projects_asked(): show a project too or no longer; show all.
        project_asked(str): show only that project.
        session_asked(str): have the table hold the requests of that session; "" for all of them.
        list_asked(bool): somebody looks at the list of sessions, or no longer.
        span_chosen(object, object): show that range of time; None and None for none.
        pause_asked(PauseChoice), resume_asked(): of delegation.
        refresh_asked(): read the log again.
        show_all_asked(): hide nothing.
        image_asked(), table_asked(Table): export what is seen.
        settings_asked(), setup_asked(): open the settings; open the set-up window.
        start_asked(): start the daemon; connect_asked(): connect Claude Code.
        theme_chosen(ThemeChoice): from the menu.
        shown_changed(bool): whether there is anything to draw for.
        snapshot_shown(): there is another snapshot.
        closing(): it is about to go.
    """

    measure_chosen = Signal(object)
    provider_toggled = Signal(str, bool)
    model_toggled = Signal(str, bool)
    provider_soloed = Signal(str)
    model_soloed = Signal(str)
    project_toggled = Signal(str, bool)
    all_projects_asked = Signal()
    project_asked = Signal(str)
    session_asked = Signal(str)
    list_asked = Signal(bool)
    span_chosen = Signal(object, object)
    pause_asked = Signal(object)
    resume_asked = Signal()
    refresh_asked = Signal()
    show_all_asked = Signal()
    image_asked = Signal()
    table_asked = Signal(object)
    settings_asked = Signal()
    setup_asked = Signal()
    start_asked = Signal()
    connect_asked = Signal()
    theme_chosen = Signal(object)
    snapshot_shown = Signal()
    shown_changed = Signal(bool)
    closing = Signal()

    def __init__(self, requests: RequestsModel, sessions: SessionsModel, theme: Theme) -> None:
        """Show these in the tables; the charts wait for their first snapshot."""
        super().__init__()
        self.setWindowTitle("Offramp")
        self.setMinimumSize(_SMALLEST)
        self.snapshot: Snapshot | None = None
        self._remark = ""
        self._detour = ""
        self._has_notice = False
        self._has_range = False
        self._daemon = DaemonCondition.UNKNOWN
        self._theme = theme
        self._ranges = RangeHistory()
        self.menus = Menus(self)
        self.toolbar = Toolbar(self.menus.pause_actions, self.menus.export_actions)
        self.filter_bar = FilterBar()
        self.banner = Banner()
        self.detour = Banner()
        self.alerts = AlertBanner()
        self.toast = Toast(self)
        self.overview = Overview()
        self.history = HistoryPage()
        self.requests = RequestsView(requests)
        self.quota = QuotaChartsPage()
        self.sessions = SessionsView(sessions)
        self.unfiltered = ElidedLabel()
        self.unfiltered.setProperty("rank", "muted")
        self.notice = NoticePage()
        self.progress = ReadingProgress()
        self._range_button = QPushButton()
        self._page_buttons = QButtonGroup(self)
        self._pages = QStackedWidget()
        self._body = QStackedWidget()
        self._lay_out()
        self._connect()
        self.set_theme(theme)
        self.show_page(0)

    # What it is given.

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw it."""
        self.snapshot = snapshot
        self.toolbar.measure.show_measure(snapshot.measure)
        self.menus.show_measure(snapshot.measure)
        self.filter_bar.show_snapshot(snapshot)
        self.unfiltered.set_full_text(_UNFILTERED if snapshot.is_filtered else "")
        self.progress.show_status(snapshot.log_status)
        self._show_range(snapshot)
        self._show_notice(snapshot)
        self._draw(snapshot)
        remark = remark_on(snapshot.log_status)
        if remark and remark != self._remark:
            self.banner.show_message(remark)
        self._remark = remark
        self.setAccessibleDescription(summary_of(snapshot))
        self.snapshot_shown.emit()

    def show_daemon(self, daemon: DaemonSummary) -> None:
        """Say how the daemon is."""
        self._daemon = daemon.state
        if self.snapshot is not None:
            self._show_notice(self.snapshot)
        self.toolbar.show_daemon(daemon)
        self.menus.show_daemon(daemon.state)
        self.alerts.show_alerts(daemon.alerts)
        if daemon.detour != self._detour:
            self._detour = daemon.detour
            self.detour.show_message(daemon.detour) if daemon.detour else self.detour.hide()

    def set_busy(self, is_busy: bool) -> None:
        """A command is under way, or no longer."""
        self.toolbar.set_busy(is_busy)

    def show_message(self, text: str, *, is_problem: bool = False) -> None:
        """Show a line above the charts, until it is dismissed."""
        if text:
            self.banner.show_message(text, is_problem=is_problem)

    def show_passing(self, text: str) -> None:
        """Show a line over the charts for some seconds: it needs no answer."""
        self.toast.show_message(text)

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        for view in (self.toolbar, self.filter_bar, *self._all_pages()):
            view.set_theme(theme)

    # What it can be asked.

    @property
    def page(self) -> int:
        """Which page is shown, from 0."""
        return self._pages.currentIndex()

    def show_page(self, page: int) -> None:
        """Turn to a page, from 0."""
        page = page if 0 <= page < len(PAGES) else 0
        if page != self.page:
            self._take_keyboard()
            self.list_asked.emit(page == _SESSIONS)
        self._pages.setCurrentIndex(page)
        self._page_buttons.button(page).setChecked(True)
        self.menus.show_page(page)
        self._choose_body()
        if self.snapshot is not None:
            self._draw(self.snapshot)

    def _take_keyboard(self) -> None:
        """Take it from a page that goes: else the first button of the window would get it."""
        central = self.centralWidget()
        if central is not None and any(x.hasFocus() for x in self._body.findChildren(QWidget)):
            central.setFocus()

    def picture(self) -> QPixmap:
        """The page in full, with a title, what it shows, and the legend."""
        is_quota, snapshot = self.page == _QUOTA, self.snapshot
        notes = picture.notes_of(snapshot, is_filtered=not is_quota) if snapshot else []
        legend = picture.legend_of(snapshot, self._theme) if snapshot and not is_quota else []
        seen: QWidget = self.notice
        if is_quota or not self._has_notice:
            seen = self._all_pages()[self.page]
        title = f"{self.windowTitle()}: {PAGES[self.page]}"
        return PagePicture(seen, self._theme, title=title, notes=notes, legend=legend).image()

    def go_back(self) -> None:
        """One range of the user's own less."""
        self._ranges.leave()
        self.span_chosen.emit(*self._ranges.ends)

    def choose_span(self, start: datetime, end: datetime) -> None:
        """Look at that range; `go_back` leads out of it."""
        self._ranges.enter(start, end)
        self.span_chosen.emit(start, end)

    def shift_span(self, steps: int) -> None:
        """Look at as long a time `steps` ranges later; without a range, at another week."""
        if self.snapshot is None:
            return
        week = self.snapshot.week_summary
        if self._ranges.shift(steps, (week.start, week.end), self.snapshot.taken):
            self.span_chosen.emit(*self._ranges.ends)

    def focus_filter(self) -> None:
        """Give the keyboard to the filters of this page."""
        if self._pages.currentWidget() is self.requests:
            self.requests.focus_search()
        elif self._pages.currentWidget() is self.sessions:
            self.sessions.focus_search()
        else:
            self.filter_bar.focus_first()

    # Qt's events.

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Escape leads out of the range, wherever the keyboard is."""
        if event.key() == Qt.Key.Key_Escape and self._ranges:
            self.go_back()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """The passing message stays at the bottom."""
        super().resizeEvent(event)
        self.toast.place()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """There is something to draw for."""
        super().showEvent(event)
        self.shown_changed.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Nobody looks."""
        super().hideEvent(event)
        self.shown_changed.emit(False)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Say goodbye."""
        self.closing.emit()
        super().closeEvent(event)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Before anybody has chosen."""
        return QSize(1280, 800)

    # How it is put together.

    def _lay_out(self) -> None:
        self._range_button.setToolTip("Leave the range (Esc)")
        self._range_button.hide()
        for page in (self.overview, self.history):
            self._pages.addWidget(_scrolling(page))
        self._pages.addWidget(self.requests)
        self._pages.addWidget(_scrolling(self.quota))
        self._pages.addWidget(self.sessions)
        self._body.addWidget(self._pages)
        self._body.addWidget(self.notice)
        central = QWidget()
        column = QVBoxLayout(central)
        column.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX - 2)
        column.addWidget(self.toolbar)
        head = QVBoxLayout()
        head.setSpacing(GRID_PX // 2)
        head.addLayout(self._page_row())
        head.addWidget(self.progress)
        column.addLayout(head)
        column.addWidget(self.alerts)
        column.addWidget(self.detour)
        column.addWidget(self.banner)
        column.addWidget(self._body, 1)
        # Without it the first button would have the keyboard, and its ring, from the start.
        central.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setCentralWidget(central)
        central.setFocus()

    def _page_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        for index, name in enumerate(PAGES):
            button = QPushButton(name)
            button.setCheckable(True)
            button.setProperty("look", "page")
            keys = QKeySequence(f"Ctrl+{index + 1}").toString(
                QKeySequence.SequenceFormat.NativeText
            )
            button.setToolTip(f"{name} ({keys})")
            button.setAccessibleName(f"Page {name}")
            self._page_buttons.addButton(button, index)
            row.addWidget(button)
        row.addSpacing(GRID_PX)
        self.filter_bar.setSizePolicy(_retaining(self.filter_bar))
        row.addWidget(self.unfiltered, 1)
        row.addWidget(self.filter_bar, 1)
        row.addWidget(self._range_button)
        return row

    def _connect(self) -> None:
        self._page_buttons.idClicked.connect(self.show_page)
        self._range_button.clicked.connect(self.go_back)
        self.toolbar.measure_chosen.connect(self.measure_chosen)
        self.toolbar.resume_asked.connect(self.resume_asked)
        self.toolbar.settings_asked.connect(self.settings_asked)
        self.toolbar.start_asked.connect(self.start_asked)
        self.filter_bar.provider_toggled.connect(self.provider_toggled)
        self.filter_bar.model_toggled.connect(self.model_toggled)
        self.filter_bar.provider_soloed.connect(self.provider_soloed)
        self.filter_bar.model_soloed.connect(self.model_soloed)
        self.filter_bar.project_toggled.connect(self.project_toggled)
        self.filter_bar.all_projects_asked.connect(self.all_projects_asked)
        self.sessions.project_asked.connect(self.project_asked)
        self.sessions.session_asked.connect(self._open_session)
        self.requests.focus_left.connect(lambda: self.session_asked.emit(""))
        self.notice.action_chosen.connect(self._do_notice_action)
        self.alerts.connect_asked.connect(self.connect_asked)
        for page in (self.overview, self.history):
            page.span_dragged.connect(self.choose_span)
            page.back_asked.connect(self.go_back)
        self.overview.errors_asked.connect(self._show_errors)
        self.quota.span_dragged.connect(self._look_into)
        self.quota.back_asked.connect(self.go_back)
        self.overview.quota.clicked.connect(lambda: self.show_page(_QUOTA))
        menus = self.menus
        menus.page_asked.connect(self.show_page)
        menus.back_asked.connect(self.go_back)
        menus.shift_asked.connect(self.shift_span)
        menus.shortcuts_asked.connect(self._show_shortcuts)
        menus.about_asked.connect(lambda: show_about(self, self._taken()))
        menus.filter_asked.connect(self.focus_filter)
        menus.export_asked.connect(self.toolbar.export_button.showMenu)
        for mine, theirs in (
            (self.pause_asked, menus.pause_asked),
            (self.resume_asked, menus.resume_asked),
            (self.refresh_asked, menus.refresh_asked),
            (self.measure_chosen, menus.measure_chosen),
            (self.theme_chosen, menus.theme_chosen),
            (self.image_asked, menus.image_asked),
            (self.table_asked, menus.table_asked),
            (self.settings_asked, menus.settings_asked),
            (self.setup_asked, menus.setup_asked),
        ):
            theirs.connect(mine)

    def _draw(self, snapshot: Snapshot) -> None:
        """The page that is seen; the others draw when they are turned to."""
        self._all_pages()[self.page].show_snapshot(snapshot)

    def _all_pages(
        self,
    ) -> tuple[Overview, HistoryPage, RequestsView, QuotaChartsPage, SessionsView]:
        return self.overview, self.history, self.requests, self.quota, self.sessions

    def _choose_body(self) -> None:
        """Charts, or why there are none; the quota is told without a log, and has no filters."""
        is_quota = self.page == _QUOTA
        self._body.setCurrentIndex(1 if self._has_notice and not is_quota else 0)
        self.filter_bar.setVisible(not is_quota)
        self.unfiltered.setVisible(is_quota)
        # The plans are told whatever the range: where that holds nothing, it must not say so.
        self._range_button.setVisible(self._has_range and not is_quota)

    def _show_notice(self, snapshot: Snapshot) -> None:
        notice = notice_for(snapshot, self._daemon)
        if notice is not None:
            self.notice.show_notice(notice)
        self._has_notice = notice is not None
        self._choose_body()

    def _open_session(self, session: str) -> None:
        """Show a session's requests, all of them that the filters leave."""
        self.session_asked.emit(session)
        self.requests.show_all()
        self.show_page(_REQUESTS)

    def _show_errors(self) -> None:
        """Show the requests of the week that failed: as many as the figure says."""
        if self.snapshot is not None:
            summary = self.snapshot.week_summary
            self.choose_span(summary.start, summary.end)
            self.requests.show_failed()
            self.show_page(_REQUESTS)

    def _look_into(self, start: datetime, end: datetime) -> None:
        """Show what was used in a part of a plan's window."""
        self.choose_span(start, end)
        self.show_page(_OVERVIEW)

    def _show_shortcuts(self) -> None:
        ShortcutsPanel(self.menus.all_actions, self).show()

    def _taken(self) -> datetime:
        return self.snapshot.taken if self.snapshot else datetime.now().astimezone()

    def _show_range(self, snapshot: Snapshot) -> None:
        self.menus.show_range(has_range=snapshot.chosen is not None)
        self._has_range = snapshot.chosen is not None
        if snapshot.chosen is not None:
            edges = snapshot.chosen.edges
            when = number_text.span_text(edges[0], edges[-1], snapshot.taken)
            self._range_button.setText(f"{when}  ✕")
            self._range_button.setAccessibleName(f"Range {when}: back out of it")

    def _do_notice_action(self, way: NoticeAction) -> None:
        match way:
            case NoticeAction.REFRESH:
                self.refresh_asked.emit()
            case NoticeAction.SETTINGS:
                self.settings_asked.emit()
            case NoticeAction.SHOW_ALL:
                self.show_all_asked.emit()
            case NoticeAction.START:
                self.start_asked.emit()
            case NoticeAction.CONNECT:
                self.connect_asked.emit()


def _scrolling(page: ChartPage) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(page)
    return area


def _retaining(widget: QWidget) -> QSizePolicy:
    """Keep its place while it is hidden, so that nothing jumps when it comes."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    return policy
