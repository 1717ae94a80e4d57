"""Runs a command on a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess


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
