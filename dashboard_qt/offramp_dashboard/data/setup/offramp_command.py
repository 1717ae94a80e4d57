"""Runs one of Offramp's own commands to its end, from any thread; another thread may cancel it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from offramp_core import programs
from offramp_core.wording.formatting import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_ERROR = "offramp: "
_KILL_AFTER_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnding:
    """How a command ended, and what it said; `is_cancelled` if it was not let finish."""

    code: int
    out: str = ""
    err: str = ""
    is_cancelled: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object that it printed; an empty one where it printed none."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def error(self) -> str:
        """What failed, in its own words."""
        return self._error_lines()[0]

    @property
    def hint(self) -> str:
        """What it says to do about that."""
        return self._error_lines()[1]

    def _error_lines(self) -> tuple[str, str]:
        lines = [printable(line.strip()) for line in self.err.splitlines() if line.strip()]
        for place, line in enumerate(lines):
            if line.startswith(_ERROR):
                return line.removeprefix(_ERROR), "\n".join(lines[place + 1 :])
        return (lines[-1] if lines else f"It ended with {self.code}."), ""


class OfframpCommand:
    """Runs commands, one at a time."""

    def __init__(
        self, environ: Mapping[str, str], folder: Path, *, words: Sequence[str] = ()
    ) -> None:
        """Run them in `folder`; `words` call Offramp, this version if there are none."""
        self._environ = dict(environ)
        self._folder = folder
        self._words = tuple(words) or programs.start_command("offramp")
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._is_cancelled = False

    def run(self, *arguments: str, given: str = "", limit_s: float) -> CommandEnding:
        """Run one, with `given` on its standard input, for `limit_s` at most."""
        with self._lock:
            self._is_cancelled = False
            try:
                self._process = process = subprocess.Popen(
                    [*self._words, *arguments],
                    env=self._environ,
                    cwd=self._folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                )
            except OSError as error:
                why = error.strerror or type(error).__name__
                return CommandEnding(code=1, err=f"{self._words[0]} can't be started: {why}.")
        try:
            out, err = process.communicate(given, timeout=limit_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return CommandEnding(code=1, err=f"It did not end within {limit_s:g} s.")
        code = process.returncode
        # What was done before it could be cancelled is done.
        return CommandEnding(
            code=code, out=out, err=err, is_cancelled=self._is_cancelled and code != 0
        )

    def cancel(self) -> None:
        """End the one that runs, if one does; `run` then returns. Returns at once."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return
            self._is_cancelled = True
            process.terminate()
        threading.Thread(target=_end, args=(process,), name="offramp-cancel", daemon=True).start()


def _end(process: subprocess.Popen[str]) -> None:
    """Have it end, politely first."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_KILL_AFTER_S)
        return
    process.kill()
    process.wait()
