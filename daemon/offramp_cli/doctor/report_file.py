"""`offramp doctor --report`: all that helps to understand a problem, as one text without secrets.

Versions, findings, settings, the service manager's words, the end of the logs. All of it leaves
through a redactor, with `~` for the home folder. Each section stands for itself: what can't be read
is said, and the others are there.
"""

from __future__ import annotations

import errno
import functools
import os
import platform
import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from offramp_cli.config.config import shown_values
from offramp_cli.doctor import report
from offramp_core import __version__
from offramp_core.config.schema import SECRETS
from offramp_core.errors import OfframpError
from offramp_core.login_item.launchd_agents import DAEMON_LABEL, TRAY_LABEL
from offramp_core.login_item.runner import SystemRunner
from offramp_core.login_item.systemd_units import SERVICE, SOCKET
from offramp_core.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Finding
    from offramp_core.login_item.runner import Command, Run
    from offramp_core.redaction import Redactor

NAME = "offramp-report.txt"
_WIDTH = 100
_LIMIT_S = 4.0
_MOST_NAMES = 1000
_LOG_LINES = 150
_LOG_BYTES = 64 * 1024
_JOURNAL_LINES = "60"
_PRIVATE_FILE = 0o600
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_ARGUMENT = re.compile(
    r"((?<![\w-])--?(?:[\w-]*(?:key|token|secret|passw\w*|auth)|u|user|proxy-user)[ \t]+)(?!-)\S+",
    re.IGNORECASE,
)
"""A command's argument with a secret behind it, as a manager that lists processes shows it."""
_SHOWN_VARIABLES = re.compile(r"PATH|XPC_\w+|OFFRAMP_HOME|CLAUDE_CONFIG_DIR|XDG_\w+")
"""Of the variables that launchd lists, those whose values matter; of the others only the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The text, section by section, and what is hidden in it."""

    context: DoctorContext
    findings: Sequence[Finding]
    redactor: Redactor
    run: Run

    def text(self, now: datetime) -> str:
        """Return the whole report."""
        sections: dict[str, Callable[[], str]] = {
            "Versions": self._versions,
            "Findings": self._findings,
            "Settings": self._settings,
            "Names of the variables in this shell": self._names,
            "Service manager": self._manager,
        }
        parts = [f"Offramp report of {now:%Y-%m-%d %H:%M} UTC\n"]
        for title, read in sections.items():
            parts.append(_section(title, self._fit(_tried(read))))
        for file in _log_files(self.context.paths.diagnostics_dir):
            text = _tried(functools.partial(_last_lines, file))
            parts.append(_section(f"The end of {self._fit(str(file))}", self._fit(text)))
        return "\n".join(parts)

    def _fit(self, text: str) -> str:
        """`text` without secrets, with `~` for the home folder, and harmless to a terminal."""
        text = _ARGUMENT.sub(rf"\1{MASK}", self.redactor.redact(text))
        text = _MAIL.sub(MASK, _from_home(text, self.context.home))
        return "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)

    def _versions(self) -> str:
        status = self.context.status
        mac = platform.mac_ver()[0]
        lines = {
            "Offramp": __version__,
            "daemon": status.version if status else str(self.context.trouble or "not asked"),
            "Python": f"{platform.python_version()}, {sys.executable}",
            "system": f"macOS {mac} ({platform.machine()})" if mac else platform.platform(),
        }
        return "\n".join(f"{name:<9}{value}" for name, value in lines.items())

    def _findings(self) -> str:
        # Before lines are broken: a secret may hold a blank.
        masked = [
            replace(
                finding,
                remarks=tuple(
                    replace(remark, saw=self._fit(remark.saw), cure=self._fit(remark.cure))
                    for remark in finding.remarks
                ),
            )
            for finding in self.findings
        ]
        return "\n".join(text for _, text in report.lines(masked, width=_WIDTH))

    def _settings(self) -> str:
        loaded = self.context.loaded
        if loaded is None:
            return str(self.context.problem)
        lines = [
            f"{name} = {_shown(name, value)}  ({loaded.origins[name]})"
            for name, value in shown_values(loaded, self.context.paths).items()
            if loaded.origins[name] != "default"
        ]
        return "\n".join([*lines, "All others have their defaults.", *loaded.notes])

    def _names(self) -> str:
        return " ".join(sorted(self.context.environ))

    def _manager(self) -> str:
        commands = _COMMANDS_OF_LINUX
        if self.context.platform == "darwin":
            commands = _commands_of_macos(os.getuid())
        return "\n".join(self._words(command) for command in commands)

    def _words(self, command: Command) -> str:
        ran = self.run(command, timeout_s=_LIMIT_S)
        lines = _without_values(f"{ran.out}{ran.err}".strip().splitlines())
        if "print-disabled" in command:  # lists everybody's agents
            lines = (line for line in lines if "offramp" in line)
        return "\n".join([f"$ {' '.join(command)}  ({ran.code})", *lines, ""])


def create(report_of: Report, wanted: Path | None, now: datetime) -> Path:
    """Write the report (0600) to `wanted`, or a free name beside it, and return where it is.

    Without `wanted` it is in the home folder; a folder gets a file of the usual name.

    Raises:
        OfframpError: it can't be written.
    """
    file = wanted or report_of.context.home / NAME
    data = report_of.text(now).encode(errors="replace")
    try:
        if file.is_dir():
            file /= NAME
        return _write_beside(file, data)
    except OSError as error:
        raise OfframpError(
            f"The report can't be written to {file}: {error.strerror or error}.",
            hint="Choose another place: offramp doctor --report FILE",
        ) from error


def _write_beside(file: Path, data: bytes) -> Path:
    """Write `data` to `file`, or to the first free name beside it; all of it, or nothing."""
    for number in range(1, _MOST_NAMES):
        free = file if number == 1 else file.with_stem(f"{file.stem}-{number}")
        try:
            descriptor = os.open(free, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        except FileExistsError:
            continue
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(data)
        except OSError:
            free.unlink(missing_ok=True)
            raise
        return free
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def report_for(
    context: DoctorContext, findings: Sequence[Finding], redactor: Redactor, run: Run | None = None
) -> Report:
    """Return the report of `findings`; `run` asks the service manager, for real if None."""
    return Report(
        context=context,
        findings=findings,
        redactor=redactor,
        run=run or SystemRunner(context.environ),
    )


_COMMANDS_OF_LINUX: tuple[Command, ...] = (
    ("systemctl", "--user", "status", "--no-pager", "--full", "--lines=0", SOCKET, SERVICE),
    (
        *("journalctl", "--user", "--no-pager", "--no-hostname", "--output=short-iso"),
        *("--lines", _JOURNAL_LINES, "--unit", SERVICE),
    ),
)


def _commands_of_macos(uid: int) -> tuple[Command, ...]:
    return (
        ("launchctl", "print", f"gui/{uid}/{DAEMON_LABEL}"),
        ("launchctl", "print", f"gui/{uid}/{TRAY_LABEL}"),
        # Where nobody is logged in at the screen.
        ("launchctl", "print", f"user/{uid}/{DAEMON_LABEL}"),
        ("launchctl", "print-disabled", f"user/{uid}"),
    )


def _section(title: str, text: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{text.rstrip()}\n"


def _tried(read: Callable[[], str]) -> str:
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - one section must not cost the others
        return f"This could not be read ({type(error).__name__}: {error})."


def _shown(name: str, value: object) -> object:
    return MASK if value is not None and name.rpartition(".")[2] in SECRETS else value


def _without_values(lines: Iterable[str]) -> Iterator[str]:
    """`lines` of launchctl, with no value of a variable that may hold a secret."""
    end = None
    for line in lines:
        name, arrow, value = line.partition(" => ")
        # A value with several lines may hold the brace at which its section seems to end.
        if arrow and (end is not None or not name.lstrip().startswith('"')):
            yield f"{name}{arrow}{value if _SHOWN_VARIABLES.fullmatch(name.strip()) else MASK}"
        elif end is None:
            if line.rstrip().endswith("environment = {"):
                end = line[: len(line) - len(line.lstrip())] + "}"
            yield line
        elif line.rstrip() == end:
            end = None
            yield line


def _from_home(text: str, home: Path) -> str:
    names = {str(home), os.path.realpath(home)} - {"/"}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"{re.escape(name)}(?![\w.-])", "~", text)
    return text


def _log_files(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(file for file in folder.glob("*.log") if file.is_file())
    except OSError:
        return


def _last_lines(file: Path) -> str:
    """The last whole lines: part of one may hold part of a secret, which nothing recognises."""
    with file.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - _LOG_BYTES))
        lines = opened.read(_LOG_BYTES).decode(errors="replace").splitlines()
    whole = lines if size <= _LOG_BYTES else lines[1:]
    return "\n".join(whole[-_LOG_LINES:])
