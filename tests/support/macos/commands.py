"""The fake commands themselves: one program, by whatever name it is called.

Run as `commands.py NAME FOLDER [ARGUMENT]...`, without site packages, as it runs often.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from macos import answers, launchctl, processes, state
from macos.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def security(known: dict[str, Any], words: list[str]) -> Answer:
    """`find-generic-password`; the secret itself is shown with -w or -g only."""
    if words[:1] != ["find-generic-password"]:
        return Answer(2, err="Usage: security [-hilqv] [-p prompt] [command] [opt ...]\n")
    if known["keychain_status"]:
        return answers.keychain_failure(known["keychain_status"])
    options = dict(itertools.pairwise(words))
    service, account = options.get("-s", ""), options.get("-a", "")
    for name, secret in known["keychain"].items():
        its_service, its_account = name.rsplit("/", 1)
        if its_service == service and account in ("", its_account):
            if "-w" in words:
                return Answer(0, f"{secret}\n")
            return Answer(
                0,
                'keychain: "/Users/u/Library/Keychains/login.keychain-db"\n'
                'version: 512\nclass: "genp"\nattributes:\n'
                f'    "acct"<blob>="{its_account}"\n    "svce"<blob>="{its_service}"\n',
                f'password: "{secret}"\n' if "-g" in words else "",
            )
    return answers.keychain_failure(-25300)


def osascript(known: dict[str, Any], words: list[str]) -> Answer:
    """Keeps the arguments behind the script: a notification's texts."""
    rest = list(words)
    while rest[:1] == ["-e"]:
        del rest[:2]
    known["notifications"].append(rest)
    return Answer(0)


def scutil(known: dict[str, Any], words: list[str]) -> Answer:
    """A network without a proxy, and with one name server."""
    del known
    match words:
        case ["--proxy"]:
            return answers.PROXY_NONE
        case ["--dns"]:
            return answers.DNS
        case _:
            return Answer(64, err="usage: scutil\n")


_COMMANDS: dict[str, Callable[[dict[str, Any], list[str]], Answer]] = {
    "launchctl": launchctl.run,
    "security": security,
    "osascript": osascript,
    "scutil": scutil,
    "lsof": processes.lsof,
    "ps": processes.ps,
}
NAMES = tuple(_COMMANDS)


def main(name: str, folder: Path, words: list[str]) -> int:
    """Answer one call; what a test has scripted for it comes first."""
    with _turn(folder), (folder / "ran").open("a", encoding="utf-8") as ran:
        ran.write(json.dumps([name, *words]) + "\n")
        known = state.read(folder)
        answer = _scripted(known, [name, *words])
        if answer is None:
            answer = _COMMANDS[name](known, words)
        state.write(folder, known)
    sys.stdout.write(answer.out)
    sys.stderr.write(answer.err)
    return answer.code


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One command at a time."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _scripted(known: dict[str, Any], words: list[str]) -> Answer | None:
    """The next answer that is meant for this command; the longest beginning counts."""
    line = " ".join(words)
    matching = [each for each in known["scripted"] if line.startswith(each["begins"])]
    if not matching:
        return None
    chosen = max(matching, key=lambda each: len(each["begins"]))
    if chosen["times"] is not None:
        chosen["times"] -= 1
        if chosen["times"] <= 0:
            known["scripted"].remove(chosen)
    return Answer(*chosen["answer"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
