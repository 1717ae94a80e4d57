"""Holds the state, and has each change of it shown and, where it is due, told. For all threads."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

from offramp_tray.view import notification_rules
from offramp_tray.view.render import face_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_tray.state.state import Clock, State
    from offramp_tray.view.view_model import Face, Notification


class Model:
    """The one state. A change is shown before the call that made it returns."""

    def __init__(
        self,
        state: State,
        *,
        clock: Clock,
        show: Callable[[Face], None],
        notify: Callable[[Notification], None],
    ) -> None:
        """Begin with `state`; `show` and `notify` must never wait for a caller of this."""
        self._state = state
        self._face = face_of(state)
        self._clock = clock
        self._show = show
        self._herald = notification_rules.Herald(notify)
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """The state at this moment."""
        return self._state

    @property
    def face(self) -> Face:
        """What is shown of it."""
        return self._face

    def change(self, **fields: Any) -> None:
        """Set these fields of the state."""
        self.update(lambda state: dataclasses.replace(state, **fields))

    def update(self, make: Callable[[State], State]) -> None:
        """Make the next state of this one; also where only time has passed."""
        with self._lock:
            self._state = dataclasses.replace(make(self._state), now=self._clock())
            face = face_of(self._state)
            if face != self._face:
                self._face = face
                self._show(face)
            self._herald.tell(notification_rules.due(self._state), self._state.now)
