"""Runs a command on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

_PATIENCE_S = 20.0
_ON_OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def output_on_a_terminal(command: list[str], environ: dict[str, str]) -> str:
    """What `command` shows there; it must end well."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environ, stdin=theirs, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:
            # Linux's way of saying that the other end was closed.
            pass
        finally:
            os.close(ours)
        assert process.wait(timeout=30) == 0
    return shown.decode()


def dialogue(
    command: list[str], environ: dict[str, str], answers: list[tuple[str, str]]
) -> tuple[int, str]:
    r"""Run `command` there and type each answer once its question is shown; code and screen.

    The terminal is the command's own, so that Ctrl-C ("\\x03") reaches it as a signal.
    """
    ours, theirs = pty.openpty()
    shown, seen = b"", 0
    waiting = list(answers)
    with subprocess.Popen(
        [sys.executable, "-c", _ON_OWN_TERMINAL, *command],
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            while piece := _read(ours, shown):
                shown += piece
                if waiting and (at := shown.find(waiting[0][0].encode(), seen)) >= 0:
                    question, answer = waiting.pop(0)
                    seen = at + len(question)
                    os.write(ours, answer.encode() + b"\n")
        finally:
            os.close(ours)
            process.kill()
    assert not waiting, f"never asked {waiting}: {shown.decode()}"
    return process.returncode, shown.decode()


def _read(ours: int, shown: bytes) -> bytes:
    """What is shown next; nothing at the end."""
    ready, _, _ = select.select([ours], [], [], _PATIENCE_S)
    assert ready, f"the command shows nothing more, and does not end: {shown.decode()}"
    try:
        return os.read(ours, 65536)
    except OSError:
        # Linux's way of saying that the other end was closed.
        return b""
