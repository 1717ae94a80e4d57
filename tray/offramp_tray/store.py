"""Holds the state; shows each change of it, and sends the notifications due. For all threads."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

from offramp_tray.view import notification_rules
from offramp_tray.view.render import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_tray.state.tray_state import Clock, TrayState
    from offramp_tray.view.view_model import Notification, ViewModel


class Store:
    """The one state. A change is shown before the call that made it returns."""

    def __init__(
        self,
        state: TrayState,
        *,
        clock: Clock,
        show: Callable[[ViewModel], None],
        notify: Callable[[Notification], None],
        memory: notification_rules.Memory | None = None,
    ) -> None:
        """Begin with `state`; `show` and `notify` must never wait for a caller of this."""
        self._state = state
        self._view = render(state)
        self._clock = clock
        self._show = show
        self._notifier = notification_rules.Notifier(notify, memory)
        self._lock = threading.Lock()

    @property
    def state(self) -> TrayState:
        """The state at this moment."""
        return self._state

    @property
    def view(self) -> ViewModel:
        """What is shown of it."""
        return self._view

    def change(self, **fields: Any) -> None:
        """Set these fields of the state."""
        self.update(lambda state: dataclasses.replace(state, **fields))

    def update(self, make: Callable[[TrayState], TrayState]) -> None:
        """Make the next state of this one; also where only time has passed."""
        with self._lock:
            state = dataclasses.replace(make(self._state), now=self._clock())
            new, over = self._notifier.notify_new(notification_rules.due(state), state.now)
            self._state = dataclasses.replace(state, unseen=(state.unseen - over) | new)
            view = render(self._state)
            if view != self._view:
                self._view = view
                self._show(view)
