"""Writes what is seen of the window to files: a page as a picture, a table as CSV."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QEventLoop, QObject, QTimer, Slot

from offramp_core.errors import OfframpError
from offramp_dashboard import file_export
from offramp_dashboard.data import csv_export
from offramp_dashboard.window.main_window import PAGES
from offramp_dashboard.window.menus import Table

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from offramp_dashboard.data.snapshot import Snapshot
    from offramp_dashboard.models.requests import RequestsModel
    from offramp_dashboard.models.sessions import SessionsModel
    from offramp_dashboard.window.main_window import ChartsWindow

_SESSIONS_PATIENCE_MS = 10_000
"""They are counted within a fraction of a second, but for a log that is still being read."""


class Exporter(QObject):
    """Exports from one window."""

    def __init__(
        self,
        window: ChartsWindow,
        requests: RequestsModel,
        sessions: SessionsModel,
        zone: tzinfo,
        parent: QObject | None = None,
    ) -> None:
        """Write what `window` and the two tables show; times are in `zone`."""
        super().__init__(parent)
        self._window = window
        self._requests = requests
        self._sessions = sessions
        self._zone = zone

    def save_table(self, table: Table, file: Path) -> None:
        """Write what is seen of `table`.

        Raises:
            OfframpError: it can't be written.
        """
        if table is Table.SESSIONS:
            self._have_sessions_counted()
        snapshot = self._window.snapshot
        if snapshot is None or (table is Table.SESSIONS and not self._has_sessions()):
            raise OfframpError(
                f"There is nothing to write to {file} yet.",
                hint="Wait until the log is read, then try again.",
            )
        csv_export.save(file, self._csv(table, snapshot))

    def save_image(self, file: Path) -> None:
        """Write what is seen of the page.

        Raises:
            OfframpError: it can't be written.
        """
        file_export.save_picture(file, self._window.picture())

    @Slot()
    def ask_image(self) -> None:
        """Ask for a file, and write the page to it."""
        page = PAGES[self._window.page].lower()
        name = f"offramp-{page}-{_today()}.png"
        file = file_export.ask_for_image(self._window, name)
        if file is not None:
            self._try(lambda: self.save_image(file), file)

    @Slot(object)
    def ask_table(self, table: Table) -> None:
        """Ask for a file, and write `table` to it."""
        name = f"offramp-{table.name.lower()}-{_today()}.csv"
        file = file_export.ask_for_table(self._window, name)
        if file is not None:
            self._try(lambda: self.save_table(table, file), file)

    def _try(self, do: object, file: Path) -> None:
        assert callable(do)
        try:
            do()
        except OfframpError as error:
            self._window.show_message(str(error), is_problem=True)
        else:
            self._window.show_passing(f"Exported to {file}.")

    def _have_sessions_counted(self) -> None:
        """Turn to the page of sessions, for they are counted only for it, and wait for them."""
        self._window.show_page(PAGES.index("Sessions"))
        waiting = QEventLoop()
        patience = QTimer(singleShot=True, interval=_SESSIONS_PATIENCE_MS)
        patience.timeout.connect(waiting.quit)
        patience.start()
        self._window.snapshot_shown.connect(waiting.quit)
        while patience.isActive() and not self._has_sessions():
            waiting.exec()

    def _has_sessions(self) -> bool:
        return self._window.snapshot is not None and self._window.snapshot.sessions is not None

    def _csv(self, table: Table, snapshot: Snapshot) -> str:
        match table:
            case Table.BARS:
                return csv_export.bars_csv(snapshot.chosen or snapshot.day)
            case Table.RECENT:
                return csv_export.bars_csv(snapshot.recent)
            case Table.WEEKS:
                return csv_export.weeks_csv(snapshot.weeks)
            case Table.SPLIT:
                return csv_export.bars_csv(snapshot.split.bars)
            case Table.TOKENS:
                return csv_export.tokens_csv(snapshot.tokens)
            case Table.QUOTA:
                return csv_export.quota_csv(snapshot.quota)
            case Table.REQUESTS:
                # A page that is not seen is not kept up to date: hide what is hidden by now.
                self._window.requests.show_snapshot(snapshot)
                return csv_export.requests_csv(self._requests.rows(), self._zone)
            case Table.SESSIONS:
                return csv_export.sessions_csv(self._sessions.rows(), self._zone)


def _today() -> str:
    return f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
