"""Looks after the settings and keys of a running daemon, and announces keys that come and go."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from offramp_core.usage import state_events
from offramp_daemon.config.keyring_keys import WAITING

if TYPE_CHECKING:
    from offramp_core.control.api import Key, ReloadAnswer
    from offramp_core.settings import Backend, Settings
    from offramp_daemon.config.live_settings import LiveSettings
    from offramp_daemon.control.announcer import Announcer
    from offramp_daemon.control.change_signal import ChangeSignal


class KeyWatch:
    """The one through which settings are read again. Used from the event loop only."""

    def __init__(self, live: LiveSettings, announcer: Announcer, changes: ChangeSignal) -> None:
        """Look after `live`; no key was found missing so far."""
        self._live = live
        self._announcer = announcer
        self._changes = changes
        self._keyless: frozenset[str] = frozenset()

    def announce_keys(self) -> None:
        """Announce keys that went missing or came, of those backends that a route leads to.

        A key that the keyring is still being asked for for the first time is not news yet.
        """
        keyless = _keyless(self._live.current)
        if self._live.keyring.is_first_try:
            keyless -= set(self._live.awaited_keys) - self._keyless
        for name in sorted(keyless - self._keyless):
            self._announcer.announce(state_events.KEY_MISSING, backend=name)
        for name in sorted(self._keyless - keyless):
            self._announcer.announce(state_events.KEY_FOUND, backend=name)
        self._keyless = keyless
        self._announcer.wake_followers()

    async def refresh(self) -> None:
        """Take the settings' files into account if they changed."""
        before = self._live.current
        await asyncio.to_thread(self._live.refresh)
        if self._live.current is not before:
            self.announce_keys()
            self._live.keyring.look_again()

    async def reload(self) -> ReloadAnswer:
        """Read the settings now, and ask the keyring again for what it holds."""
        answer = await self._read_again()
        self._live.keyring.look_again(for_all=True)
        return answer

    async def watch_keyring(self) -> None:
        """Get the keys that the keyring holds, and take each; for as long as the daemon runs."""
        await self._live.keyring.watch(
            lambda: self._live.keyring_marks, on_news=self._take_keys, say=self._announcer.say
        )

    async def until_keys(self, limit_s: float) -> None:
        """Wait until the keyring has given its keys or failed to, for `limit_s` at most."""
        live = self._live
        with self._changes.follow() as changed, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while live.awaited_keys and live.keyring.note == WAITING:
                    changed.clear()
                    await changed.wait()

    async def _take_keys(self, *, is_new: bool) -> None:
        """Read the settings again for keys that are new; else only announce what changed."""
        if is_new:
            await self._read_again()
        else:
            self.announce_keys()

    async def _read_again(self) -> ReloadAnswer:
        answer = await asyncio.to_thread(self._live.reload)
        self.announce_keys()
        return answer


def key_of(backend: Backend) -> Key:
    """Return whether the backend's key is there."""
    if not backend.takes_key:
        return "not needed"
    return "missing" if backend.key is None else "present"


def _keyless(settings: Settings) -> frozenset[str]:
    routed = {route.backend for route in settings.routes}
    return frozenset(
        backend.name
        for backend in settings.backends
        if backend.name in routed and key_of(backend) == "missing"
    )
