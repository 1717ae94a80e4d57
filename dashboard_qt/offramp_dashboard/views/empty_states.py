"""What is said instead of charts, or above them, when something is missing or wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from offramp_dashboard.data.snapshot import DaemonCondition, FeedState
from offramp_dashboard.theme import FIGURE, GRID_PX
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.style.fonts import scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_dashboard.data.snapshot import Alert, LogStatus, Snapshot

_WIDEST_PX = 520
_MOST_ALERTS = 3
"""More would leave no room for the charts."""


class NoticeAction(Enum):
    """A way out that a notice offers."""

    REFRESH = "Read again"
    SETTINGS = "Open settings"
    SHOW_ALL = "Show everything"
    START = "Start the daemon"
    CONNECT = "Connect Claude Code…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A title, what it means, and the button that helps, if one does."""

    title: str
    text: str
    way: NoticeAction | None = None


def notice_for(
    snapshot: Snapshot, daemon: DaemonCondition = DaemonCondition.UNKNOWN
) -> Notice | None:
    """What stands in the place of the charts; None where they have something to show."""
    log = snapshot.log_status
    match log.state:
        case FeedState.EMPTY | FeedState.MISSING:
            return _no_requests(log, daemon)
        case FeedState.UNREADABLE:
            return Notice(
                title="The log can't be read",
                text=log.problem or f"{log.log_dir} can't be read.",
                way=NoticeAction.REFRESH,
            )
        case FeedState.LOADING | FeedState.READY if snapshot.hides_everything:
            return Notice(
                title="Nothing matches the filters",
                text="There are requests, but all of them belong to providers, models or projects "
                "that are switched off above.",
                way=NoticeAction.SHOW_ALL,
            )
        case FeedState.LOADING | FeedState.READY:
            return None


def _no_requests(log: LogStatus, daemon: DaemonCondition) -> Notice:
    """What to do while there is nothing to draw yet: start the daemon, connect, or look again."""
    if daemon is DaemonCondition.STOPPED:
        return Notice(
            title="No requests yet",
            text="The daemon is not running, so no request passes through Offramp. The charts "
            "begin with the first one.",
            way=NoticeAction.START,
        )
    if log.state is FeedState.MISSING:
        return Notice(
            title="There is no log yet",
            text=f"There is nothing in {log.log_dir}: the daemon creates it with the first "
            "request. If your log is elsewhere, set log_dir in the settings file.",
            way=NoticeAction.REFRESH,
        )
    return Notice(
        title="No requests yet",
        text="The charts begin with the first answer that passes through Offramp. If "
        "Claude Code is not connected yet, connect it once, then use it as always.",
        way=NoticeAction.CONNECT,
    )


def remark_on(log: LogStatus) -> str:
    """A line about the log that the charts can do without; empty mostly."""
    if log.torn_lines == 1:
        return "Skipped 1 line of the log that can't be read as a request."
    if log.torn_lines:
        torn = number_text.exact(log.torn_lines)
        return f"Skipped {torn} lines of the log that can't be read as a request."
    return ""


class NoticePage(QWidget):
    """A `Notice` in the middle, with nothing else.

    Signals:
        action_chosen(NoticeAction): the button was pressed.
    """

    action_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Nothing is said yet."""
        super().__init__(parent)
        self._title = QLabel()
        self._title.setFont(scaled(self.font(), FIGURE, is_bold=True))
        self._text = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._text.setProperty("rank", "muted")
        self.button = QPushButton()
        self.button.setProperty("look", "main")
        self.button.clicked.connect(lambda: self.action_chosen.emit(self._way))
        self._way: NoticeAction | None = None
        box = QWidget()
        inner = QVBoxLayout(box)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(2 * GRID_PX)
        row = QHBoxLayout()
        row.addWidget(self.button)
        row.addStretch(1)
        for widget in (self._title, self._text):
            inner.addWidget(widget)
        inner.addLayout(row)
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        outer.addWidget(box, 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addStretch(3)

    def show_notice(self, notice: Notice) -> None:
        """Say it."""
        self._title.setText(notice.title)
        self._text.setText(notice.text)
        # Centred in a layout, a wrapped text is not asked for its height.
        self._text.setFixedSize(_WIDEST_PX, self._text.heightForWidth(_WIDEST_PX))
        self._way = notice.way
        self.button.setVisible(notice.way is not None)
        self.button.setText(notice.way.value if notice.way else "")
        self.setAccessibleName(f"{notice.title}. {notice.text}")

    @property
    def title(self) -> str:
        """What it says first."""
        return self._title.text()

    @property
    def text(self) -> str:
        """What it says then."""
        return self._text.text()


class Banner(QFrame):
    """One line above the charts, which can be put away.

    Signals:
        dismissed(): it was put away.
    """

    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        """Hidden until there is something to say."""
        super().__init__(parent)
        self.setObjectName("notice")
        self._text = QLabel(textFormat=Qt.TextFormat.PlainText)
        self._text.setWordWrap(True)
        self._close = QPushButton("Dismiss")
        self._close.clicked.connect(self._dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        row.addWidget(self._text, 1)
        row.addWidget(self._close)
        self.hide()

    def show_message(self, text: str, *, is_problem: bool = False) -> None:
        """Say it until it is dismissed or something else is said."""
        self._text.setProperty("rank", "danger" if is_problem else "")
        self._text.style().polish(self._text)
        self._text.setText(text)
        self.setAccessibleName(text)
        self.show()

    @property
    def text(self) -> str:
        """What it says."""
        return self._text.text() if not self.isHidden() else ""

    def _dismiss(self) -> None:
        self.hide()
        self.dismissed.emit()


class AlertBanner(QFrame):
    """Says what keeps requests from being delegated, above the charts, until it is put away.

    What was put away stays away while it lasts, whatever its numbers do.

    Signals:
        connect_asked(): Claude Code has left Offramp, and is to be connected again.
        requests_asked(Alert): show the requests behind that one.
    """

    connect_asked = Signal()
    requests_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Hidden until there is something to say."""
        super().__init__(parent)
        self.setObjectName("notice")
        self._keys: frozenset[str] = frozenset()
        self._put_away: frozenset[str] = frozenset()
        self._of_requests: Alert | None = None
        """The worst of those shown that are about requests."""
        lines = QVBoxLayout()
        lines.setSpacing(GRID_PX - 2)
        self._pairs = tuple((_line("danger"), _line("")) for _ in range(_MOST_ALERTS))
        self._more = _line("muted")
        for labels in (*self._pairs, (self._more,)):
            together = QVBoxLayout()
            together.setSpacing(1)
            for label in labels:
                together.addWidget(label)
            lines.addLayout(together)
        self.button = QPushButton("Dismiss")
        self.button.clicked.connect(self._dismiss)
        self.connect_button = QPushButton(NoticeAction.CONNECT.value)
        self.connect_button.clicked.connect(self.connect_asked)
        self.requests_button = QPushButton("Show Requests")
        self.requests_button.setToolTip("Show the requests that Claude served since it began")
        self.requests_button.clicked.connect(lambda: self.requests_asked.emit(self._of_requests))
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID_PX, GRID_PX, GRID_PX, GRID_PX)
        row.addLayout(lines, 1)
        row.addWidget(self.requests_button, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.connect_button, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def show_alerts(self, alerts: Sequence[Alert]) -> None:
        """Say these, but for what was put away."""
        self._put_away &= {alert.key for alert in alerts}
        shown = [alert for alert in alerts if alert.key not in self._put_away]
        self._keys = frozenset(alert.key for alert in shown)
        for place, (cause, cure) in enumerate(self._pairs):
            alert = shown[place] if place < len(shown) else None
            cause.setText(alert.cause if alert else "")
            cure.setText(alert.cure if alert else "")
            cause.setVisible(alert is not None)
            cure.setVisible(alert is not None)
        more = len(shown) - _MOST_ALERTS
        self._more.setText(f"{more} more: offramp status" if more > 0 else "")
        self._more.setVisible(more > 0)
        self.connect_button.setVisible(any(alert.is_of_client for alert in shown))
        self._of_requests = next((alert for alert in shown if alert.since is not None), None)
        self.requests_button.setVisible(self._of_requests is not None)
        self.setAccessibleName(self.text)
        self.setVisible(bool(shown))

    @property
    def text(self) -> str:
        """What it says, a line each."""
        labels = (*(label for pair in self._pairs for label in pair), self._more)
        return "\n".join(label.text() for label in labels if label.text())

    def _dismiss(self) -> None:
        self._put_away |= self._keys
        self.hide()


def _line(rank: str) -> QLabel:
    label = QLabel(textFormat=Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setProperty("rank", rank)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
