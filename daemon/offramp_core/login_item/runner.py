"""Runs a service manager's command to its end, within a time, and never raises for its failure."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from offramp_core.child_environment import without_keys
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT_S = 20.0
"""Enough for every command that does not wait for a service to end."""

NOT_FOUND = 127
TIMED_OUT = 124

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended; a program that isn't there counts as one that ended with 127."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it says that it succeeded."""
        return self.code == 0

    @property
    def said(self) -> str:
        """Its words in one line, for an error's text."""
        return " ".join((self.err or self.out).split())


class Run(Protocol):
    """Runs commands; the tests have one that records them."""

    def __call__(self, command: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Ran:
        """Run `command` to its end, for `timeout_s` at most."""


class CommandFailedError(OfframpError):
    """A service manager did not do what it was asked."""


class SystemRunner:
    """Runs commands for real, in an environment that is given and in the language of scripts."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Run them in `environ`."""
        self._environ = {
            **without_keys(environ),
            "LC_ALL": "C",
            "SYSTEMD_PAGER": "",
            "SYSTEMD_COLORS": "0",
        }

    def __call__(self, command: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Ran:
        """Run `command`; it is killed when its time is over."""
        try:
            done = subprocess.run(
                command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ran(TIMED_OUT, err=f"no answer within {timeout_s:g} s")
        except OSError as error:
            return Ran(NOT_FOUND, err=f"{command[0]}: {error.strerror}")
        return Ran(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(output: bytes) -> str:
    return output.decode(errors="replace")


def must(run: Run, command: Sequence[str], *, timeout_s: float = TIMEOUT_S, hint: str = "") -> Ran:
    """Run `command` and return how it ended.

    Raises:
        CommandFailedError: it failed; the error has the command and its own words.
    """
    ran = run(command, timeout_s=timeout_s)
    if ran.is_ok:
        return ran
    raise CommandFailedError(
        f"`{shown(command)}` failed ({ran.code}): {ran.said or 'no message'}", hint=hint
    )


def shown(command: Sequence[str]) -> str:
    """`command` as one would type it."""
    return shlex.join(command)
