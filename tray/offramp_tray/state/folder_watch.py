"""Waits for something to be put into a folder: the system tells of it, nobody has to look.

Linux has inotify for that, macOS kqueue. Where neither can be had, a wait lasts its full time.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import select
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_EVENT_BYTES = 64 * 1024


class _Watch(Protocol):
    """What `select` can wait for."""

    def fileno(self) -> int:
        """Its descriptor."""

    def close(self) -> None:
        """Let go of it."""


class FolderWatch:
    """Watches one folder. For one thread that waits; `wake` is for any."""

    def __init__(self, folder: Path) -> None:
        """Watch `folder`, which need not be there, within `watching`."""
        self._folder = folder
        self._watch: _Watch | None = None
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch meanwhile: what happens from here on ends the next `wait`."""
        with contextlib.suppress(OSError, AttributeError):  # no such folder, no such call here
            self._watch = _watch(self._folder)
        try:
            yield
        finally:
            if self._watch is not None:
                self._watch.close()
                self._watch = None

    def wait(self, timeout_s: float) -> None:
        """Wait for something new in the folder, or `wake`; for `timeout_s` at most."""
        watched: list[_Watch | int] = [self._woken]
        if self._watch is not None:
            watched.append(self._watch)
        ready = select.select(watched, (), (), timeout_s)[0]
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, _EVENT_BYTES)

    def wake(self) -> None:
        """End a `wait`: this one, or the next."""
        with contextlib.suppress(BlockingIOError):  # it is full of wakes already
            os.write(self._waker, b"\0")

    def close(self) -> None:
        """Let go of everything, once nobody waits any more."""
        os.close(self._woken)
        os.close(self._waker)


if sys.platform == "darwin":

    class _KqueueWatch:
        """A kqueue, which `select` can wait for, on one folder."""

        def __init__(self, folder: Path) -> None:
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            self._queue = select.kqueue()
            event = select.kevent(
                self._descriptor,
                filter=select.KQ_FILTER_VNODE,
                flags=select.KQ_EV_ADD | select.KQ_EV_CLEAR,
                fflags=select.KQ_NOTE_WRITE | select.KQ_NOTE_EXTEND,
            )
            self._queue.control([event], 0)

        def fileno(self) -> int:
            """The queue's."""
            return self._queue.fileno()

        def close(self) -> None:
            """Let go of queue and folder."""
            self._queue.close()
            os.close(self._descriptor)

    def _watch(folder: Path) -> _Watch:
        return _KqueueWatch(folder)

else:

    def _watch(folder: Path) -> _Watch:
        """By inotify, through the C library's own calls, for Python has none for them."""
        library = ctypes.CDLL(None, use_errno=True)
        descriptor = library.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        watch = io.FileIO(descriptor, "rb")
        wanted = _IN_CREATE | _IN_MOVED_TO
        if library.inotify_add_watch(descriptor, os.fsencode(folder), wanted) < 0:
            number = ctypes.get_errno()
            watch.close()
            raise OSError(number, os.strerror(number), str(folder))
        return watch
