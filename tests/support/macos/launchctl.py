"""A launchd of agents that are loaded, disabled, ending; and what `launchctl` says of them.

The shape of `print` is that of macOS 15 and 26, as public captures have it; facts that say nothing
here (coalitions, jetsam limits) are left as they were there.
"""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from macos import answers
from macos.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_PID = 4711
_USAGE = Answer(
    64, err="Unrecognized subcommand.\nUsage: launchctl <subcommand> ... | help [subcommand]\n"
)


def run(state: dict[str, Any], words: list[str]) -> Answer:
    """Carry out `launchctl WORDS`, and change `state` by it."""
    command = _COMMANDS.get(words[0] if words else "")
    return _USAGE if command is None else command(state, words[1:])


def load(
    state: dict[str, Any],
    label: str,
    file: str,
    agent: dict[str, Any],
    *,
    pid: int | None,
    where: str = "loaded",
) -> None:
    """Have an agent loaded, whatever there was: `loaded` at the screen, or in the `background`."""
    state[where][label] = {
        "path": file,
        "agent": agent,
        "pid": pid,
        "runs": 0 if pid is None else 1,
        "last exit code": "(never exited)",
    }


def _label(target: str) -> str:
    return target.split("/", 2)[2] if target.count("/") >= 2 else ""


def _where(state: dict[str, Any], target: str) -> str | None:
    """Under which name `state` has the agents of the target's domain; None if that is not there."""
    kind, _, rest = target.partition("/")
    if rest.partition("/")[0] != str(state["uid"]):
        return None
    if kind == "gui" and not state["no_screen"]:
        return "loaded"
    return "background" if kind == "user" and not state["no_user"] else None


def _find(state: dict[str, Any], target: str) -> dict[str, Any] | None:
    """What is loaded under that name, were it about to end."""
    where = _where(state, target)
    found: dict[str, Any] | None = state[where].get(_label(target)) if where else None
    return found


def _missing(state: dict[str, Any], target: str) -> Answer:
    if _where(state, target) is None:
        return answers.no_such_domain(state["uid"], state["no_screen"] or 125)
    kind = "user gui" if target.startswith("gui/") else "user"
    return answers.no_such_service(_label(target), f"{kind}: {state['uid']}")


def _print(state: dict[str, Any], words: list[str]) -> Answer:
    target = words[0] if words else ""
    if not _label(target):
        where = _where(state, target)
        if where is None:
            return answers.no_such_domain(state["uid"], state["no_screen"] or 112)
        return Answer(0, _domain_text(state, target, where))
    agent = _find(state, target)
    if agent is None:
        return _missing(state, target)
    text = _agent_text(state, target, agent)
    _let_time_pass(state, str(_where(state, target)), _label(target))
    return Answer(0, text)


def _let_time_pass(state: dict[str, Any], where: str, label: str) -> None:
    """An agent that ends is gone after so many looks."""
    if label not in state["ending"]:
        return
    state["ending"][label] -= 1
    if state["ending"][label] <= 0:
        del state["ending"][label], state[where][label]


def _bootstrap(state: dict[str, Any], words: list[str]) -> Answer:
    if len(words) < 2:
        return _USAGE
    where = _where(state, words[0])
    if where is None:
        return answers.BOOTSTRAP_NO_SCREEN
    agent = _read_agent(Path(words[1]))
    label = (agent or {}).get("Label")
    if not agent or not label or label in state[where]:
        _let_time_pass(state, where, str(label))
        return answers.BOOTSTRAP_IO_ERROR
    if state["disabled"].get(label):
        return answers.BOOTSTRAP_IO_ERROR
    if _SESSIONS[where] not in _sessions_of(agent):
        return answers.BOOTSTRAP_OTHER_SESSION
    pid = _next_pid(state) if agent.get("RunAtLoad") or agent.get("KeepAlive") is True else None
    load(state, label, words[1], agent, pid=pid, where=where)
    return Answer(0)


_SESSIONS = {"loaded": "Aqua", "background": "Background"}


def _sessions_of(agent: dict[str, Any]) -> list[str]:
    """In which sessions launchd may load it: launchd.plist(5)."""
    named = agent.get("LimitLoadToSessionType", "Aqua")
    return [named] if isinstance(named, str) else named


def _read_agent(file: Path) -> dict[str, Any] | None:
    """What launchd takes: a property list that nobody but its owner may write."""
    try:
        if file.stat().st_mode & 0o022:
            return None
        read = plistlib.loads(file.read_bytes())
    except (OSError, ValueError, plistlib.InvalidFileException):
        return None
    if not isinstance(read, dict) or not (read.get("ProgramArguments") or read.get("Program")):
        return None
    return read


def _next_pid(state: dict[str, Any]) -> int:
    agents = [*state["loaded"].values(), *state["background"].values()]
    pids = [each["pid"] for each in agents if each["pid"] is not None]
    return max([_FIRST_PID - 1, *pids]) + 1


def _bootout(state: dict[str, Any], words: list[str]) -> Answer:
    target = words[0] if words else ""
    where = _where(state, target)
    if where is None:
        return Answer(125, err="Boot-out failed: 125: Domain does not support specified action\n")
    if _find(state, target) is None:
        return answers.BOOT_OUT_NOT_LOADED
    label = _label(target)
    if label in state["slow"]:
        state["ending"].setdefault(label, state["slow"][label])
    else:
        del state[where][label]
    return Answer(0)


def _kickstart(state: dict[str, Any], words: list[str]) -> Answer:
    target = words[-1] if words else ""
    if _where(state, target) is None:
        return answers.kickstart_no_screen(_label(target))
    agent = _find(state, target)
    if agent is None:
        return _missing(state, target)
    if agent["pid"] is None or "-k" in words:
        agent["pid"] = _next_pid(state)
        agent["runs"] += 1
    return Answer(0)


def _kill(state: dict[str, Any], words: list[str]) -> Answer:
    signal, target = words[0], words[-1]
    agent = _find(state, target)
    if agent is None:
        return _missing(state, target)
    if agent["pid"] is None:
        return answers.KILL_NOT_RUNNING
    state["signals"].append([signal, _label(target)])
    return Answer(0)


def _enable(state: dict[str, Any], words: list[str]) -> Answer:
    state["disabled"][_label(words[0])] = False
    return Answer(0)


def _disable(state: dict[str, Any], words: list[str]) -> Answer:
    state["disabled"][_label(words[0])] = True
    return Answer(0)


def _print_disabled(state: dict[str, Any], words: list[str]) -> Answer:
    """Since macOS 13 it says `disabled`, before `true`; ggbond268/MacTools#116."""
    is_missing = state["no_screen"] if words[0].startswith("gui/") else state["no_user"]
    if is_missing:
        return answers.no_such_domain(state["uid"], state["no_screen"])
    spelling = {True: "true", False: "false"} if state["spells_true"] else _SPELLING
    known = {"com.docker.helper": False, "com.apple.Siri.agent": True, **state["disabled"]}
    lines = [f'\t"{label}" => {spelling[is_off]}\n' for label, is_off in known.items()]
    associations = "login item associations = {\n}\n"
    return Answer(0, f"disabled services = {{\n{''.join(lines)}}}\n{associations}")


_SPELLING = {True: "disabled", False: "enabled"}


def _managername(state: dict[str, Any], words: list[str]) -> Answer:
    del words
    return Answer(0, "Background\n" if state["no_screen"] else "Aqua\n")


_COMMANDS: dict[str, Callable[[dict[str, Any], list[str]], Answer]] = {
    "print": _print,
    "bootstrap": _bootstrap,
    "bootout": _bootout,
    "kickstart": _kickstart,
    "kill": _kill,
    "enable": _enable,
    "disable": _disable,
    "print-disabled": _print_disabled,
    "managername": _managername,
}


def _domain_text(state: dict[str, Any], target: str, where: str) -> str:
    services = "".join(
        f"\t\t{each['pid'] or 0:>8}      -\t{label}\n" for label, each in state[where].items()
    )
    kind = "user" if where == "background" else "login"
    return (
        f"{target} = {{\n\ttype = {kind}\n\thandle = 100003\n\tactive count = 612\n"
        f"\tsession = {_SESSIONS[where]}\n\n\tservices = {{\n{services}\t}}\n}}\n"
    )


def _block(name: str, lines: list[str], depth: int = 1) -> str:
    tabs = "\t" * depth
    inner = "".join(f"{tabs}\t{line}\n" for line in lines)
    return f"{tabs}{name} = {{\n{inner}{tabs}}}\n\n"


def _agent_text(state: dict[str, Any], target: str, known: dict[str, Any]) -> str:
    agent, pid = known["agent"], known["pid"]
    words = agent.get("ProgramArguments") or [agent.get("Program", "/usr/bin/true")]
    variables = {**agent.get("EnvironmentVariables", {}), "XPC_SERVICE_NAME": _label(target)}
    running = [] if pid is None else [f"\tpid = {pid}\n", "\timmediate reason = non-ipc demand\n"]
    error_file = agent.get("StandardErrorPath")
    return "".join(
        [
            f"{target} = {{\n",
            f"\tactive count = {0 if pid is None else 1}\n",
            f"\tpath = {known['path']}\n",
            "\ttype = LaunchAgent\n",
            f"\tstate = {'not running' if pid is None else 'running'}\n\n",
            f"\tprogram = {words[0]}\n",
            _block("arguments", words),
            f"\tstderr path = {error_file}\n" if error_file else "",
            _block("inherited environment", ["SSH_AUTH_SOCK => /private/tmp/com.apple/Listeners"]),
            _block("default environment", ["PATH => /usr/bin:/bin:/usr/sbin:/sbin"]),
            _block("environment", [f"{name} => {value}" for name, value in variables.items()]),
            f"\tdomain = {target.rpartition('/')[0]} [100003]\n\tasid = 100003\n",
            f"\tminimum runtime = {agent.get('ThrottleInterval', 10)}\n",
            f"\texit timeout = {agent.get('ExitTimeOut', 5)}\n",
            f"\truns = {known['runs']}\n",
            *running,
            f"\tlast exit code = {known['last exit code']}\n\n",
            _sockets_text(agent),
            "\tspawn type = interactive (4)\n\tjetsam priority = 40\n"
            "\tjetsam memory limit (active) = (unlimited)\n\tcpumon = default\n\n",
            "\tproperties = keepalive | runatload | inferred program\n}\n",
        ]
    )


def _sockets_text(agent: dict[str, Any]) -> str:
    sockets = agent.get("Sockets", {})
    if not sockets:
        return ""
    inner = "".join(
        _block(
            f'"{name}"',
            [
                "type = stream",
                f"node name = {socket['SockNodeName']}",
                f"service name = {socket['SockServiceName']}",
                "active = 0",
                "passive = 1",
            ],
            depth=2,
        )
        for name, group in sockets.items()
        for socket in (group if isinstance(group, list) else [group])
    )
    return f"\tsockets = {{\n{inner}\t}}\n\n"
