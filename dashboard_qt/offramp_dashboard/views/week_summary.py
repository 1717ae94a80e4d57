"""The week in figures: where it went, what it would have cost, and what happens next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from offramp_core.settings import ANTHROPIC
from offramp_core.usage.measure import Measure
from offramp_core.wording.formatting import (
    backend_name,
    format_duration,
    format_percent,
    format_tokens,
    share,
)
from offramp_dashboard import plain_tooltips
from offramp_dashboard.theme import CAPTION, FIGURE, GRID_PX, HERO, LIGHT
from offramp_dashboard.views.style import number_text
from offramp_dashboard.views.style.fonts import scaled
from offramp_dashboard.views.style.series_fills import SeriesFills
from offramp_dashboard.views.widgets.card import ElidedLabel
from offramp_dashboard.views.widgets.split_bar import SplitBar

if TYPE_CHECKING:
    from datetime import datetime

    from PySide6.QtGui import QKeyEvent, QMouseEvent, QPaintEvent

    from offramp_dashboard.data.snapshot import BackendTotals, Snapshot, WeekSummary
    from offramp_dashboard.theme import Theme

_LONGEST_NAME = 20
_ONE_LINE = 40
"""So many letters have room beside the figures of a narrow window."""
_NO_BREAK = "\N{NO-BREAK SPACE}"
"""Keeps a name and its number on one line."""

_NOTHING = number_text.DASH
NOTHING_YET, NOTHING_THEN = "nothing this week yet", "nothing in that week"


class _Caption(QLabel):
    """A line that goes on below where the window is narrow.

    Its room is kept whatever the width: a label whose height hangs on its width would have the
    page lay its charts out by that, far too high.
    """

    def __init__(self) -> None:
        super().__init__(textFormat=Qt.TextFormat.PlainText, wordWrap=True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._lines = 2

    def keep_lines(self, lines: int) -> None:
        """Keep room for one line, or for two."""
        self._lines = lines
        self.updateGeometry()

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Its height is always the same."""
        return False

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """So many lines, as wide as there is room."""
        # Each drawn line may take a pixel more than the font says, by rounding up.
        return QSize(0, self._lines * (self.fontMetrics().lineSpacing() + 1))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """No less."""
        return self.sizeHint()


class Figure(QWidget):
    """A number with its name above and a line about it below.

    Signals:
        chosen(): it was clicked, or Enter was pressed on it, where it leads somewhere.
    """

    chosen = Signal()

    def __init__(self, name: str, parent: QWidget | None = None, *, leads_to: str = "") -> None:
        """`name` is what it counts; `leads_to` is what a click shows, if it does anything."""
        super().__init__(parent)
        self._leads_to = leads_to
        if leads_to:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
            self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._name = QLabel(name)
        self._name.setProperty("rank", "muted")
        self._name.setFont(scaled(self.font(), CAPTION))
        self._value = QLabel(_NOTHING)
        self._value.setFont(scaled(self.font(), FIGURE, is_bold=True))
        self._caption = _Caption()
        self._caption.setProperty("rank", "muted")
        self._caption.setFont(scaled(self.font(), CAPTION))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for label in (self._name, self._value, self._caption):
            layout.addWidget(label)
        layout.addStretch(1)

    def show_value(self, value: str, caption: str = "", *, tip: str = "") -> None:
        """Show these; `tip` has the number in full."""
        self._value.setText(value)
        self._caption.setText(caption)
        whole = "\n".join(filter(None, (tip, self._leads_to)))
        self.setToolTip(plain_tooltips.tip(whole))
        said = f"{self._name.text()}: {tip or value}"
        self.setAccessibleName(f"{said}, {caption}" if caption else said)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Lead on."""
        if self._leads_to and event.button() is Qt.MouseButton.LeftButton:
            self.chosen.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Lead on by Enter or Space."""
        keys = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
        if self._leads_to and event.key() in keys:
            self.chosen.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the keyboard's ring."""
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QPen(self.palette().link().color(), 2))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), 4, 4)
            painter.end()

    @property
    def value(self) -> str:
        """The number as it is shown."""
        return self._value.text()

    @property
    def caption(self) -> str:
        """The line below."""
        return self._caption.text()


class WeekSummaryView(QFrame):
    """Draws a `WeekSummary`, with the week's pace."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Nothing is shown yet."""
        super().__init__(parent)
        self.setObjectName("card")
        self._theme: Theme = LIGHT
        self._snapshot: Snapshot | None = None
        self._week = ElidedLabel()
        self._week.setFont(scaled(self.font(), CAPTION))
        self._week.setProperty("rank", "muted")
        self._share = QLabel(_NOTHING)
        self._share.setFont(scaled(self.font(), HERO, is_bold=True))
        self._share_caption = ElidedLabel("delegated")
        self._bar = SplitBar(10)
        self._parts = _Caption()
        self._parts.setFont(scaled(self.font(), CAPTION))
        self._parts.setProperty("rank", "muted")
        self.requests = Figure("Requests")
        self.tokens = Figure("Tokens")
        self.errors = Figure("Errors", leads_to="Click to see the requests that failed")
        self.saved = Figure("Delegated, at list prices")
        self._lay_out()

    def _lay_out(self) -> None:
        number = QHBoxLayout()
        number.setSpacing(GRID_PX)
        number.addWidget(self._share, 0, Qt.AlignmentFlag.AlignBottom)
        number.addWidget(self._share_caption, 1, Qt.AlignmentFlag.AlignBottom)
        self._share.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        # The smaller text stands on the larger one's line.
        drop = self._share.fontMetrics().descent() - self._share_caption.fontMetrics().descent()
        self._share_caption.setContentsMargins(0, 0, 0, drop)
        left = QVBoxLayout()
        left.setSpacing(4)
        left.addWidget(self._week)
        left.addLayout(number)
        left.addWidget(self._bar)
        left.addWidget(self._parts)
        figures = QGridLayout()
        figures.setHorizontalSpacing(2 * GRID_PX)
        for column, figure in enumerate((self.requests, self.tokens, self.errors, self.saved)):
            figures.addWidget(figure, 0, column)
            figures.setColumnStretch(column, 5 if figure is self.saved else 4)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, GRID_PX + 4)
        layout.setSpacing(4 * GRID_PX)
        layout.addLayout(left, 4)
        layout.addLayout(figures, 7)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw its headline from now on."""
        self._snapshot = snapshot
        week_summary = snapshot.week_summary
        self._week.set_full_text(_title(week_summary, snapshot.taken))
        self._show_split(week_summary, snapshot.measure)
        self._show_counts(week_summary, snapshot)
        self._show_savings(week_summary)

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        self._theme = theme
        if self._snapshot is not None:
            self._show_split(self._snapshot.week_summary, self._snapshot.measure)

    @property
    def week_text(self) -> str:
        """Which week it is."""
        return self._week.full_text

    @property
    def share_text(self) -> str:
        """The share as it is shown."""
        return self._share.text()

    @property
    def share_caption(self) -> str:
        """What the share is of."""
        return self._share_caption.full_text

    @property
    def split_text(self) -> str:
        """The backends' parts in words."""
        return self._parts.text().replace(_NO_BREAK, " ")

    def _show_split(self, week_summary: WeekSummary, measure: Measure) -> None:
        assert self._snapshot is not None
        series_fills = SeriesFills.of(self._snapshot)
        counted = [(part, _value(part, measure)) for part in week_summary.parts]
        total = sum(value for _, value in counted)
        delegated = sum(value for part, value in counted if _is_delegated(part.backend))
        if not total:
            self._say_share(_NOTHING, NOTHING_YET if week_summary.is_current else NOTHING_THEN)
        elif _has_both_sides(self._snapshot):
            which = "shown " if _hides_any(self._snapshot) else ""
            percent = format_percent(share(delegated, total))
            self._say_share(percent, f"of {which}{measure.value} delegated")
        else:
            shown = [each.name for each in self._snapshot.providers if each.is_on]
            self._say_share(number_text.short(total), f"{measure.value}, {', '.join(shown)} only")
        fills = [(value, series_fills.fill(self._theme, part.backend)) for part, value in counted]
        self._bar.show_parts(fills, self._theme)
        texts = [
            f"{backend_name(part.backend)} {number_text.short(value)}" for part, value in counted
        ]
        shown = [
            f"{_shortened(backend_name(part.backend))}{_NO_BREAK}{number_text.short(value)}"
            for part, value in counted
        ]
        text = "   ·   ".join(shown)
        self._parts.keep_lines(1 if len(text) <= _ONE_LINE else 2)
        self._parts.setText(text)
        self._parts.setToolTip(plain_tooltips.tip("\n".join(texts)))
        self._bar.setAccessibleName(", ".join(texts))

    def _say_share(self, figure: str, caption: str) -> None:
        self._share.setText(figure)
        self._share_caption.set_full_text(caption)

    def _show_counts(self, week_summary: WeekSummary, snapshot: Snapshot) -> None:
        now, before = week_summary.parts, week_summary.last_week_parts
        requests = sum(part.requests for part in now)
        tokens = sum(part.tokens for part in now)
        errors = sum(part.errors for part in now)
        rate = f"{format_percent(share(errors, requests))} of requests" if errors else ""
        notes = ["", "", rate]
        if before is not None:
            when = number_text.LAST_WEEK if week_summary.is_current else "the week before"
            last = [sum(part.requests for part in before), sum(part.tokens for part in before)]
            notes[0] = number_text.change_text(requests, last[0], when)
            notes[1] = number_text.change_text(tokens, last[1], when)
            failed = number_text.exact(sum(part.errors for part in before))
            part = f"{format_percent(share(errors, requests))}; " if errors else ""
            by = "at" if week_summary.is_current else "in"
            notes[2] = f"{part}{failed} {by} {when}"
        self.requests.show_value(
            number_text.short(requests), notes[0], tip=number_text.exact(requests)
        )
        self.tokens.show_value(format_tokens(tokens), notes[1], tip=number_text.exact(tokens))
        self.errors.show_value(number_text.short(errors), notes[2], tip=number_text.exact(errors))

    def _show_savings(self, week_summary: WeekSummary) -> None:
        savings = week_summary.savings
        assert self._snapshot is not None
        if hidden := _hidden_delegates(self._snapshot):
            self.saved.show_value(_NOTHING, f"{', '.join(hidden)} hidden")
            return
        if savings is None:
            self.saved.show_value(_NOTHING, "calculating…")
            return
        tip = (
            "An estimate: what the delegated tokens would have cost at Anthropic's list prices of "
            f"{number_text.full_date(savings.priced_on)}."
        )
        if savings.unpriced_tokens:
            unpriced = number_text.exact(savings.unpriced_tokens)
            tip += f" Does not include {unpriced} tokens of models that the list"
            tip += " does not know."
        amount = number_text.dollars(savings.usd)
        dated = f"estimate, prices of {number_text.full_date(savings.priced_on)}"
        self.saved.show_value(amount if amount.startswith("<") else f"≈ {amount}", dated)
        self.saved.setToolTip(plain_tooltips.tip(tip))


def _title(week: WeekSummary, now: datetime) -> str:
    """Say which week it is: `This week, since Thu 22:00 CET · 3 d 4 h left`."""
    if week.is_current:
        left = format_duration(week.end.timestamp() - now.timestamp())
        since = f"This week, since {number_text.day_and_clock(week.start)} {week.start:%Z}".rstrip()
        return f"{since}  ·  {left} left"
    return f"Week of {number_text.span_text(week.start, week.end, now)} {week.start:%Z}".rstrip()


def _shortened(name: str) -> str:
    """A name of the user's own without its middle, so that the numbers beside it have room."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"{name[:half]}…{name[-half:]}"


def _value(part: BackendTotals, measure: Measure) -> int:
    return part.requests if measure is Measure.REQUESTS else part.tokens


def _is_delegated(backend: str | None) -> bool:
    return backend not in (None, "", ANTHROPIC)


def _hides_any(snapshot: Snapshot) -> bool:
    return snapshot.is_filtered


def _hidden_delegates(snapshot: Snapshot) -> list[str]:
    """The delegates' names where every one of them is hidden, so that none of it is counted."""
    delegates = [each for each in snapshot.providers if _is_delegated(each.key)]
    return [] if any(each.is_on for each in delegates) else [each.name for each in delegates]


def _has_both_sides(snapshot: Snapshot) -> bool:
    """Whether there is a split to tell of: neither Claude nor all delegates are hidden."""
    is_claude_on = all(each.is_on for each in snapshot.providers if each.key == ANTHROPIC)
    return is_claude_on and not _hidden_delegates(snapshot)
