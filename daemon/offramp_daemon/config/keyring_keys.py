"""The keys that the system keyring holds, fetched while the daemon already serves.

A keyring may be slow, locked or gone: it is asked on a thread of its own, again and again with
growing pauses, and nothing ever waits for it. Until a key is there, its requests go to Anthropic.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

from offramp_core.control import api
from offramp_core.keys.system_keyring import KeyringError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from offramp_core.config.stored_keys import KeyMark
    from offramp_core.settings import Secret

WAITING = api.KEY_AWAITED

_FIRST_RETRY_S = 30.0
_LAST_RETRY_S = 300.0
_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Keyring(Protocol):
    """What gives keys by backend; it may block, and raises KeyringError where it can't."""

    def get(self, names: Iterable[str]) -> Mapping[str, Secret]:
        """Return the keys of these backends, as far as there are any."""


class OnNews(Protocol):
    """Told on the event loop that there are new keys, or that the trouble changed."""

    def __call__(self, *, is_new: bool) -> Awaitable[None]:
        """Take it into account."""


class KeyringKeys:
    """Holds the keys that came, by mark, and knows why the others did not."""

    def __init__(
        self,
        keyring: Keyring | None = None,
        *,
        first_retry_s: float = _FIRST_RETRY_S,
        last_retry_s: float = _LAST_RETRY_S,
    ) -> None:
        """Ask `keyring`; without one there are no keys, and nobody waits for any."""
        self._keyring = keyring
        self._first_retry_s = first_retry_s
        self._last_retry_s = last_retry_s
        self._held: Mapping[KeyMark, Secret] = {}
        self._wake = asyncio.Event()
        self._is_for_all = False
        self._trouble = ""
        self.note = WAITING
        """Why awaited keys are missing, in a few words."""
        self.is_first_try = keyring is not None
        """The keyring has not answered, or failed to, since the start."""

    @property
    def held(self) -> Mapping[KeyMark, Secret]:
        """The keys that came; a mapping that never changes, for any thread."""
        return self._held

    def look_again(self, *, for_all: bool = False) -> None:
        """Ask soon, for what is missing or `for_all`: settings, or the keyring, may have changed.

        From the event loop only.
        """
        self._is_for_all |= for_all
        self.note = WAITING
        self._wake.set()

    async def watch(
        self,
        marks: Callable[[], Collection[KeyMark]],
        *,
        on_news: OnNews,
        say: Callable[[str], None],
    ) -> None:
        """Get what `marks` names and is not held, until cancelled."""
        pause_s = self._first_retry_s
        while True:
            is_asked_for = self._wake.is_set()
            self._wake.clear()
            try:
                await self._fetch(marks(), on_news, say)
            except Exception:  # noqa: BLE001 - requests go on, whatever it is
                _LOG.exception("The keyring could not be asked")
            if not self._missing(marks()):
                pause_s, timeout_s = self._first_retry_s, None
            else:
                pause_s = self._first_retry_s if is_asked_for else pause_s
                timeout_s, pause_s = pause_s, min(2 * pause_s, self._last_retry_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()

    async def _fetch(
        self, marks: Collection[KeyMark], on_news: OnNews, say: Callable[[str], None]
    ) -> None:
        wanted = list(marks) if self._is_for_all else self._missing(marks)
        self._is_for_all = False
        if self._keyring is None or not wanted:
            self.is_first_try = False
            return
        keyring, names = self._keyring, [mark.backend for mark in wanted]
        found: Mapping[str, Secret] = {}
        trouble = hint = ""
        try:
            found = await _in_thread(lambda: keyring.get(names))
        except KeyringError as error:
            trouble, hint = error.title, error.hint
        except RuntimeError:  # no thread can be started
            trouble = "The system keyring could not be asked: there are too many threads."
        came = {mark: found[mark.backend] for mark in wanted if mark.backend in found}
        is_new = any(self._held.get(mark) != key for mark, key in came.items())
        # What is no longer marked is forgotten; what could not be had again stays.
        self._held = {mark: key for mark, key in self._held.items() if mark in marks} | came
        absent = [name for name in names if name not in found]
        if not trouble and absent:
            trouble = f"The system keyring has no key for {', '.join(absent)}."
            hint = f"Store it again: offramp key set {absent[0]}"
        self._say_trouble(trouble, hint, missing=self._missing(marks), say=say)
        is_first, self.is_first_try = self.is_first_try, False
        if is_new:
            say(f"The keyring gave the key for {_listed(came)}.")
        if is_new or trouble or is_first:
            await on_news(is_new=is_new)

    def _missing(self, marks: Collection[KeyMark]) -> list[KeyMark]:
        return [mark for mark in marks if mark not in self._held]

    def _say_trouble(
        self, trouble: str, hint: str, *, missing: list[KeyMark], say: Callable[[str], None]
    ) -> None:
        """Say what is wrong, once until it is something else or over."""
        self.note = (
            f"{WAITING}: {trouble[0].lower()}{trouble[1:].rstrip('.')}" if trouble else WAITING
        )
        if trouble and trouble != self._trouble:
            way = "Until it can be read, requests go to Claude" if missing else "The old one stays"
            say(f"{trouble} {way}; Offramp keeps trying. {hint}".rstrip())
        self._trouble = trouble


async def _in_thread(function: Callable[[], T]) -> T:
    """Call `function` on a thread that keeps neither the event loop nor the process from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(act: Callable[[], None]) -> None:
        if not done.done():  # else nobody waits any more
            act()

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            act = functools.partial(done.set_exception, error)
        else:
            act = functools.partial(done.set_result, result)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, act)

    threading.Thread(target=run, name="offramp-keyring", daemon=True).start()
    return await done


def _listed(marks: Iterable[KeyMark]) -> str:
    return ", ".join(mark.backend for mark in marks)
