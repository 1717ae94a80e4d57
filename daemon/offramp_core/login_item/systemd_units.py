"""The text of the two systemd user units, service and socket; pure.

Whatever needs a namespace of its own (PrivateTmp, ProtectSystem, ...) is left out: a user manager
may not make one everywhere, and the unit would then not start. What is there needs only seccomp
and prctl. An older systemd ignores the keys that it does not know.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from offramp_core.login_item import templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from offramp_core.login_item.sockets import Address

SERVICE = "offramp.service"
SOCKET = "offramp.socket"

STOP_MARGIN_S = 15
"""How much longer than its drain the daemon may take to end."""

_NO_PROGRAM = re.compile(r"""["'\\]""")
"""What systemd does not allow in the path of a program, quoted or not."""

_BY_SHELL = """/bin/sh -c 'exec "$$0"' """


def render_socket(addresses: Sequence[Address]) -> str:
    """`offramp.socket`, listening on `addresses`."""
    streams = "\n".join(f"ListenStream={_escaped(str(address))}" for address in addresses)
    return templates.text(SOCKET).format(streams=streams)


def render_service(program: Path, environment: Mapping[str, str], *, drain_timeout_s: float) -> str:
    """`offramp.service`, running `program` with `environment` besides the manager's own."""
    lines = [f"Environment={_quoted(f'{name}={value}')}\n" for name, value in environment.items()]
    return templates.text(SERVICE).format(
        program=_command(str(program)),
        environment="".join(lines),
        drain=f"{drain_timeout_s:g}",
        stop=math.ceil(drain_timeout_s) + STOP_MARGIN_S,
    )


def listens_on(unit: str) -> tuple[str, ...]:
    """The addresses in the text of a socket unit, in order."""
    return tuple(_values(unit, "ListenStream"))


def start_lines(unit: str) -> tuple[str, ...]:
    """Return what of a service unit a running daemon takes up only when it is started again."""
    return (*_values(unit, "ExecStart"), *environment_lines(unit))


def environment_lines(unit: str) -> tuple[str, ...]:
    """Return the variables in the text of a service unit, which a process gets when it starts."""
    return tuple(_values(unit, "Environment"))


def program_of(unit: str) -> str | None:
    """The program in the text of a service unit of ours; None where there is none."""
    command = next(iter(_values(unit, "ExecStart")), None)
    if command is None:
        return None
    if command.startswith(_BY_SHELL):
        return _unquoted(command.removeprefix(_BY_SHELL)).replace("$$", "$")
    return _unquoted(command)


def _values(unit: str, key: str) -> Iterable[str]:
    prefix = f"{key}="
    return (line.removeprefix(prefix) for line in unit.splitlines() if line.startswith(prefix))


def _command(program: str) -> str:
    """What starts `program`: the path itself where systemd takes it as one."""
    if not _NO_PROGRAM.search(program):
        # A $ needs no care here: variables are only looked for in a command's arguments.
        return _quoted(program)
    return _BY_SHELL + _quoted(program).replace("$", "$$")


def _quoted(text: str) -> str:
    """`text` as one word, whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escaped(escaped)}"'


def _unquoted(word: str) -> str:
    """The text behind what `_quoted` made of it."""
    inner = word.strip().removeprefix('"').removesuffix('"').replace("%%", "%")
    return re.sub(r"\\(.)", r"\1", inner)


def _escaped(text: str) -> str:
    """`text` with what systemd would take for a specifier."""
    return text.replace("%", "%%")
