"""The page of the plans' quota: a burn-up for each window that runs, in a row for each plan."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from offramp_dashboard.theme import CAPTION, GRID_PX, LIGHT
from offramp_dashboard.views.empty_states import Notice, NoticePage
from offramp_dashboard.views.pages import ChartPage
from offramp_dashboard.views.quota.quota_chart import QuotaChart
from offramp_dashboard.views.quota.quota_legend import QuotaLegend
from offramp_dashboard.views.style.fonts import scaled
from offramp_dashboard.views.widgets.card import Card, ElidedLabel

if TYPE_CHECKING:
    from offramp_dashboard.data.snapshot import BurnUp, Quota, Snapshot
    from offramp_dashboard.theme import Theme

_COLUMNS = 2


class QuotaChartsPage(ChartPage):
    """Burn-ups, what their lines mean, and a line about each window that has none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Nothing is known yet."""
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._shape: tuple[tuple[str, str], ...] = ()
        self.cards: list[Card] = []
        self.legend = QuotaLegend()
        self.notice = NoticePage()
        self._remarks = QWidget()
        self._remark_column = QVBoxLayout(self._remarks)
        self._remark_column.setContentsMargins(0, 0, 0, 0)
        self._remark_column.setSpacing(GRID_PX // 2)
        self.remarks: list[ElidedLabel] = []
        for column in range(_COLUMNS):
            self.grid.setColumnStretch(column, 1)
        self._arrange(())

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw its quota."""
        quota = snapshot.quota
        shape = tuple((one.backend, one.window) for one in quota.burn_ups)
        if shape != self._shape:
            self._arrange(quota.burn_ups)
            self._shape = shape
        for card, burn_up in zip(self.cards, quota.burn_ups, strict=True):
            assert isinstance(card.content, QuotaChart)
            card.content.show_burn_up(burn_up)
            card.set_title(burn_up.title)
            card.set_subtitle(burn_up.text)
        self.legend.show_before(has_before=any(one.before for one in quota.burn_ups))
        self._show_remarks(quota)

    def set_theme(self, theme: Theme) -> None:
        """Colours follow."""
        super().set_theme(theme)
        self._theme = theme
        self.legend.set_theme(theme)

    def _show_remarks(self, quota: Quota) -> None:
        is_empty = not quota.burn_ups
        self.notice.setVisible(is_empty)
        self.legend.setVisible(not is_empty)
        self._remarks.setVisible(bool(quota.remarks) and not is_empty)
        if is_empty:
            text = "\n".join(quota.remarks)
            self.notice.show_notice(Notice(title="No quota is known yet", text=text))
            return
        while len(self.remarks) < len(quota.remarks):
            label = ElidedLabel()
            label.setProperty("rank", "muted")
            label.setFont(scaled(self.font(), CAPTION))
            self.remarks.append(label)
            self._remark_column.addWidget(label)
        for place, label in enumerate(self.remarks):
            label.setVisible(place < len(quota.remarks))
            label.set_full_text(quota.remarks[place] if place < len(quota.remarks) else "")

    def _arrange(self, burn_ups: tuple[BurnUp, ...]) -> None:
        """A card for each of `burn_ups`: each plan begins a row, and fills it."""
        for row in range(self.grid.rowCount()):
            self.grid.setRowStretch(row, 0)
        for widget in (self.legend, self.notice, self._remarks, *self.cards):
            self.grid.removeWidget(widget)
        self._keep_cards(len(burn_ups))
        self.grid.addWidget(self.legend, 0, 0, 1, _COLUMNS)
        row, cards = 1, iter(self.cards)
        for _, plan in groupby(burn_ups, key=lambda one: one.backend):
            windows = list(plan)
            for place in range(len(windows)):
                is_alone = place == len(windows) - 1 and place % _COLUMNS == 0
                column = place % _COLUMNS
                span = _COLUMNS if is_alone else 1
                self.grid.addWidget(next(cards), row + place // _COLUMNS, column, 1, span)
            row += -(-len(windows) // _COLUMNS)
        for one in range(1, row):
            self.grid.setRowStretch(one, 1)
        if row == 1:
            self.grid.setRowStretch(row, 1)
        self.grid.addWidget(self.notice, row, 0, 1, _COLUMNS)
        self.grid.addWidget(self._remarks, row + 1, 0, 1, _COLUMNS)

    def _keep_cards(self, count: int) -> None:
        while len(self.cards) < count:
            chart = QuotaChart("Quota")
            self.cards.append(self._card("Quota", chart))
            chart.set_theme(self._theme)
        while len(self.cards) > count:
            card = self.cards.pop()
            assert isinstance(card.content, QuotaChart)
            self._charts.remove(card.content)
            card.hide()
            card.deleteLater()
