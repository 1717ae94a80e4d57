"""Writes text to a stream such as standard error, from a background thread.

The reader at the other end may be a terminal that was stopped with Ctrl-S, a pipe that is full or
one that has no reader any more; none of that may hold up the daemon, nor keep it from ending.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from typing import TextIO

_POLL_S = 0.1
"""How soon a wait notices that it was given up; well below what closing allows for that."""
_PLAINER = str.maketrans({"→": "->", "…": "...", "—": "-"})


def is_terminal(stream: TextIO) -> bool:
    """Whether `stream` is a terminal; a closed one is none."""
    try:
        return stream.isatty()
    except ValueError:
        return False


class TextOutput:
    """One stream as raw bytes, with waits that can be broken off.

    It writes to a duplicate of the stream's descriptor and not through the stream: the
    interpreter, when it ends, aborts if another thread hangs in the stream's own buffer.
    """

    def __init__(self, stream: TextIO, given_up: threading.Event) -> None:
        """Write to `stream`; a wait for its reader ends once `given_up` is set."""
        self._stream = stream
        self._given_up = given_up
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            self._descriptor: int | None = os.dup(stream.fileno())
        except (OSError, ValueError):  # a stream in memory, or a closed one
            self._descriptor = None

    def write(self, text: str) -> bool:
        """Write `text`, waiting for the reader where need be; False if that was given up.

        Raises:
            OSError: nobody reads any more, or the disk behind the stream is full.
            ValueError: the stream is closed.
        """
        if self._descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return True
        data = self._encode(text)
        while data:
            if not self._is_writable(self._descriptor):
                return False
            # No more than this fits for sure: a longer write to a pipe would block.
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._descriptor, data[: select.PIPE_BUF]) :]
        return True

    def close(self) -> None:
        """Let go of the descriptor; the stream itself stays open."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_writable(self, descriptor: int) -> bool:
        while not self._given_up.is_set():
            if select.select([], [descriptor], [], _POLL_S)[1]:
                return True
        return False

    def _encode(self, text: str) -> bytes:
        """`text` in the stream's encoding, with plainer signs where it lacks one."""
        try:
            return text.encode(self._encoding)
        except UnicodeEncodeError:
            return text.translate(_PLAINER).encode(self._encoding, errors="replace")
        except LookupError:
            return text.encode(errors="replace")
