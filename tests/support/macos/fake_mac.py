"""A Mac's commands in a folder of a test's own: they answer as the real ones do, and are recorded.

    mac = FakeMac(tmp_path / "mac")
    mac.answer("launchctl bootstrap", answers.BOOTSTRAP_IO_ERROR, times=3)
    run(..., env={"PATH": mac.path})
    assert "launchctl bootout gui/501/local.offramp.daemon" in mac.ran

Programs that name them without a folder find them by `mac.path`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from macos import commands, launchctl, state

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from macos.answers import Answer

_PROGRAM = """\
#!/bin/sh
exec {python} -E -s -S {commands} {name} {folder} "$@"
"""


class FakeMac:
    """launchctl, security, osascript, scutil, lsof and ps, and what they know."""

    def __init__(self, folder: Path, *, uid: int | None = None) -> None:
        """Put them into `folder`/bin. `uid` is the user at the screen: this one."""
        self._folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        for name in commands.NAMES:
            program = self.bin / name
            text = _PROGRAM.format(
                python=shlex.quote(sys.executable),
                commands=shlex.quote(commands.__file__),
                name=name,
                folder=shlex.quote(str(folder)),
            )
            program.write_text(text, encoding="utf-8")
            program.chmod(0o755)
        self._change(uid=os.getuid() if uid is None else uid)

    @property
    def path(self) -> str:
        """A PATH that has them first."""
        return f"{self.bin}:{os.environ['PATH']}"

    @property
    def ran(self) -> list[str]:
        """What was called, in order."""
        file = self._folder / "ran"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [" ".join(json.loads(line)) for line in lines]

    def without(self, *beginnings: str) -> list[str]:
        """What was called, save for these."""
        return [line for line in self.ran if not line.startswith(beginnings)]

    def answer(self, beginning: str, answer: Answer, *, times: int | None = None) -> None:
        """Have a command that begins so answer this: the next `times`, or always."""
        entry = {"begins": beginning, "answer": list(answer), "times": times}
        self._change(scripted=[*self._known["scripted"], entry])

    # launchd

    def log_out(self, code: int = 125, *, everywhere: bool = False) -> None:
        """Have nobody logged in at the screen, as over SSH; launchctl says so by `code`.

        The agents there end. With `everywhere` launchd has no domain of the user at all.
        """
        self._change(no_screen=code, no_user=everywhere, loaded={})

    def log_in(self, folder: Path) -> None:
        """Have the user log in at the screen; launchd loads what `folder` has for that session."""
        known = {**self._known, "no_screen": 0}
        for file in sorted(folder.glob("*.plist")):
            launchctl.run(known, ["bootstrap", f"gui/{known['uid']}", str(file)])
        state.write(self._folder, known)

    def start_again(self) -> None:
        """Restart the Mac: what was loaded in the background is not found again."""
        self._change(background={}, loaded={})

    def spell_true(self) -> None:
        """Be a macOS before 13, whose print-disabled says true and false."""
        self._change(spells_true=True)

    def load(self, label: str, file: Path | str, *, pid: int | None = 4711, **agent: Any) -> None:
        """Have an agent loaded from `file`, be it there or not."""
        known = self._known
        agent = {"Label": label, "ProgramArguments": ["/usr/bin/true"], **agent}
        launchctl.load(known, label, str(file), agent, pid=pid)
        state.write(self._folder, known)

    def end_slowly(self, label: str, looks: int) -> None:
        """Have a loaded agent's `bootout` come back before its end: `looks` later it is gone."""
        self._change(slow={**self._known["slow"], label: looks})

    def crash(self, label: str, code: str = "78: EX_CONFIG") -> None:
        """Have an agent's program end, with launchd not starting it again yet."""
        known = self._known
        known["loaded"][label].update(pid=None, **{"last exit code": code})
        state.write(self._folder, known)

    def disable(self, label: str) -> None:
        """Have somebody switch an agent off for good."""
        self._change(disabled={**self._known["disabled"], label: True})

    @property
    def loaded(self) -> dict[str, str]:
        """From which file each agent is loaded."""
        return {label: each["path"] for label, each in self._known["loaded"].items()}

    @property
    def in_background(self) -> dict[str, str]:
        """From which file each agent of the user's background is loaded."""
        return {label: each["path"] for label, each in self._known["background"].items()}

    def is_disabled(self, label: str) -> bool:
        """Whether launchd remembers that it is switched off."""
        return bool(self._known["disabled"].get(label))

    def pid(self, label: str) -> int | None:
        """The process of an agent that is loaded."""
        pid: int | None = self._known["loaded"][label]["pid"]
        return pid

    @property
    def signals(self) -> list[tuple[str, str]]:
        """What `launchctl kill` sent: signal and label."""
        return [(signal, label) for signal, label in self._known["signals"]]

    # Everything else

    def keep_secret(self, service: str, account: str, secret: str) -> None:
        """Have an entry in the Keychain."""
        entries = {**self._known["keychain"], f"{service}/{account}": secret}
        self._change(keychain=entries)

    def fail_keychain(self, status: int) -> None:
        """Have the Keychain fail from now on: -25308 (locked), -25293, -25244; 0 for not."""
        self._change(keychain_status=status)

    @property
    def notifications(self) -> list[list[str]]:
        """The texts that osascript was to show, whether anybody saw them or not."""
        return [list(map(str, each)) for each in self._known["notifications"]]

    def run_process(
        self,
        pid: int,
        *args: str,
        name: str = "Python",
        loaded: Iterable[Path | str] = (),
        listens: Iterable[str] = (),
        is_own: bool = True,
    ) -> None:
        """Have a process that ps and lsof know: its files, and `127.0.0.1:3001` or `*:3001`."""
        process = {
            "pid": pid,
            "name": name,
            "args": list(args),
            "loaded": [str(each) for each in loaded],
            "listens": list(listens),
            "is_own": is_own,
        }
        self._change(processes=[*self._known["processes"], process])

    def see_real_processes(self) -> None:
        """Have ps and lsof know this machine's processes too; on Linux."""
        self._change(sees_real_processes=True)

    @property
    def _known(self) -> dict[str, Any]:
        return state.read(self._folder)

    def _change(self, **new: Any) -> None:
        state.write(self._folder, {**self._known, **new})
