"""What the tray asks the desktop for: open a file, copy a line, run Offramp's own commands.

Everything blocks, for seconds at most; nothing that is started depends on the tray's life.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import programs
from offramp_core.child_environment import without_keys
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OPEN_S = 10.0
_COPY_S = 3.0
_COMMAND_S = 120.0
"""A restart may wait for the successor."""
_AT_ONCE_S = 1.5
"""What ends with an error so soon did not start."""
_MOST_BYTES = 16 * 1024
_COMMAND = "offramp"


class DesktopError(OfframpError):
    """The desktop could not do it; the hint says what its user can do."""


class Desktop:
    """This user's desktop."""

    def __init__(self, environ: Mapping[str, str], *, program: str = sys.argv[0]) -> None:
        """Use the programs that `environ` leads to; `program` is what this process was called."""
        self._environ = dict(environ)
        self._program = program

    def open_path(self, path: Path, *, is_text: bool = False) -> None:
        """Open a file or a folder in the program that the user has chosen for it.

        Raises:
            DesktopError: there is no way to open it here.
        """
        if sys.platform == "darwin":
            words = ["open", *(["-t"] if is_text else []), str(path)]
        else:
            words = ["xdg-open", str(path)]
        if not self._has(words[0]):
            raise DesktopError(f"Nothing here can open {path}.", hint="Open it yourself.")
        ended = self._run_foreign(words, limit_s=_OPEN_S)
        if ended.code:
            raise DesktopError(
                f"{path} could not be opened ({words[0]} ended with {ended.code}).",
                hint="Open it yourself.",
            )

    def copy(self, text: str) -> bool:
        """Put `text` on the clipboard; whether there is a way to."""
        for words in self._copiers():
            if self._has(words[0]):
                try:
                    ended = self._run_foreign(words, limit_s=_COPY_S, given=text)
                except DesktopError:
                    continue
                if ended.code == 0:
                    return True
        return False

    def command(self, *arguments: str) -> None:
        """Run one of Offramp's commands to its end.

        Raises:
            DesktopError: it failed, with what it said.
        """
        words = [*self.offramp(), *arguments]
        ended = self._run(words, limit_s=_COMMAND_S)
        if ended.code is None:
            raise DesktopError(
                f"`offramp {' '.join(arguments)}` has not ended after {_COMMAND_S:g} s.",
                hint="The log folder may say why.",
            )
        if ended.code:
            raise _failed(arguments, ended)

    def launch(self, *arguments: str) -> None:
        """Start one of Offramp's commands as a process of its own.

        Raises:
            DesktopError: it ended at once, with what it said.
        """
        words = [*self.offramp(), *arguments]
        ended = self._run(words, limit_s=_AT_ONCE_S)
        if ended.code:
            raise _failed(arguments, ended)

    def offramp(self) -> list[str]:
        """The words that call Offramp: as this process was called, if it was by a lasting path."""
        program = Path(self._program)
        if program.name == _COMMAND and program.is_absolute() and os.access(program, os.X_OK):
            return [str(program)]
        return list(programs.start_command("offramp"))

    def _copiers(self) -> list[list[str]]:
        platform: str = sys.platform  # so typed, the rest is checked on a Mac too
        if platform == "darwin":
            return [["pbcopy"]]
        copiers = []
        if self._environ.get("WAYLAND_DISPLAY"):
            copiers.append(["wl-copy"])
        if self._environ.get("DISPLAY"):
            copiers += [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]]
        return copiers

    def _has(self, program: str) -> bool:
        return shutil.which(program, path=self._environ.get("PATH")) is not None

    def _run_foreign(self, words: Sequence[str], *, limit_s: float, given: str = "") -> _Ended:
        """Run a program that is not Offramp's, which has no use for a key."""
        return self._run(words, limit_s=limit_s, given=given, environ=without_keys(self._environ))

    def _run(
        self,
        words: Sequence[str],
        *,
        limit_s: float,
        given: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> _Ended:
        """Run it in a session of its own, for `limit_s`; what still runs then goes on.

        Its words go to a file: a pipe would be held open by what a program leaves running.

        Raises:
            DesktopError: it can't be started.
        """
        import tempfile  # only for clicks: the tray starts quicker without it

        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    words,
                    env=self._environ if environ is None else environ,
                    stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            except OSError as error:
                raise DesktopError(
                    f"{words[0]} could not be started: {error.strerror or error}.",
                    hint="Check whether it is installed.",
                ) from error
            try:
                process.communicate(given.encode() or None, timeout=limit_s)
            except subprocess.TimeoutExpired:
                # Somebody has to take note of its end, or it would stay in the system's books.
                threading.Thread(target=process.wait, name=words[0], daemon=True).start()
                return _Ended(None, "")
            said.seek(0)
            return _Ended(process.returncode, said.read(_MOST_BYTES).decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a program ended (None: it still runs), and what it said."""

    code: int | None
    said: str


def _failed(arguments: Sequence[str], ended: _Ended) -> DesktopError:
    """The command line writes its errors as `offramp: TITLE`, and the hint below it."""
    lines = [line.strip() for line in ended.said.splitlines() if line.strip()]
    start = f"{_COMMAND}: "
    for number, line in enumerate(lines):
        if line.startswith(start):
            return DesktopError(line.removeprefix(start), hint=" ".join(lines[number + 1 :]))
    return DesktopError(
        f"`{_COMMAND} {' '.join(arguments)}` ended with {ended.code}.",
        hint=lines[-1] if lines else "The log folder may say why.",
    )
