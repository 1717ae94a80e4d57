"""What the charts window asks for, and whoever is behind it does."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMainWindow


class WindowSignals(QMainWindow):
    """A window that asks for things.

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
