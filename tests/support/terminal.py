"""Runs a command on a terminal of its own.

This process keeps the command's end of it open until it has read everything: macOS throws away what
was written to a terminal that nobody has open any more (pexpect/pexpect#662).
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

_ON_OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class _Terminal:
    """A command under way on a terminal."""

    process: subprocess.Popen[bytes]
    ours: int
    end: int
    """Can be read once the command, which holds its other side, has ended."""

    def read(self, shown: bytes) -> bytes:
        """What is shown next; nothing at the end."""
        ready, _, _ = select.select([self.ours, self.end], [], [], PATIENCE_S)
        assert ready, f"the command shows nothing more, and does not end: {shown.decode()}"
        if self.ours not in ready:
            ready, _, _ = select.select([self.ours], [], [], 0)  # its last words
        return os.read(self.ours, 65536) if self.ours in ready else b""


@contextlib.contextmanager
def _terminal(command: list[str], environ: dict[str, str], *, is_own: bool) -> Iterator[_Terminal]:
    """Start `command`; with `is_own` the terminal is the one of its session."""
    ours, theirs = pty.openpty()
    end, held = os.pipe()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", _ON_OWN_TERMINAL, *command] if is_own else command,
            env=environ,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs if is_own else None,
            start_new_session=is_own,
            pass_fds=[held],
        ) as process:
            os.close(held)
            held = -1
            try:
                yield _Terminal(process, ours, end)
            finally:
                process.kill()
    finally:
        for descriptor in (ours, theirs, end, held):
            if descriptor >= 0:
                os.close(descriptor)


def output_on_a_terminal(command: list[str], environ: dict[str, str]) -> str:
    """What `command` shows there; it must end well."""
    shown = b""
    with _terminal(command, environ, is_own=False) as terminal:
        while piece := terminal.read(shown):
            shown += piece
        assert terminal.process.wait(timeout=PATIENCE_S) == 0
    return shown.decode()


def dialogue(
    command: list[str], environ: dict[str, str], answers: list[tuple[str, str]]
) -> tuple[int, str]:
    r"""Run `command` there and type each answer once its question is shown; code and screen.

    The terminal is the command's own, so that Ctrl-C ("\\x03") reaches it as a signal.
    """
    shown, seen = b"", 0
    waiting = list(answers)
    with _terminal(command, environ, is_own=True) as terminal:
        while piece := terminal.read(shown):
            shown += piece
            if waiting and (at := shown.find(waiting[0][0].encode(), seen)) >= 0:
                question, answer = waiting.pop(0)
                seen = at + len(question)
                os.write(terminal.ours, answer.encode() + b"\n")
    assert not waiting, f"never asked {waiting}: {shown.decode()}"
    return terminal.process.returncode, shown.decode()
