"""The system keyring, asked with a time limit: it may be locked, slow, or not there at all.

Each call is a process of its own (`keyring_process`), which is ended when its time is over. Blocks
meanwhile; may be called from any thread.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Literal

import msgspec

from offramp_core import programs
from offramp_core.child_environment import without_keys
from offramp_core.errors import OfframpError
from offramp_core.keys.keyring_process import KeyringAnswer, KeyringCommand
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Trouble = Literal["absent", "locked", "slow", "changed", "failed"]

QUIET_LIMIT_S = 5.0
"""For a call that asks nobody for a password."""

PROMPT_LIMIT_S = 60.0
"""For a call with somebody there, who may have to type the keyring's password."""

_SAID_AFTER_S = 2.0

_PROBLEMS: Mapping[Trouble, tuple[str, str]] = {
    "absent": (
        "There is no system keyring",
        "You can store the key in a file instead: offramp key set --file",
    ),
    "locked": (
        "The system keyring is locked",
        "Unlock it, or store the key in a file: offramp key set --file",
    ),
    "slow": (
        "The system keyring does not answer",
        "Unlock it if it is locked, or store the key in a file: offramp key set --file",
    ),
    "changed": (
        "The Keychain does not know this Python, which was upgraded after the key was stored",
        "Store the key again: offramp key set",
    ),
    "failed": (
        "The system keyring failed",
        "Store the key in a file instead: offramp key set --file",
    ),
}


class KeyringError(OfframpError):
    """The keyring can't be used at present; `trouble` is the kind of reason."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        """Say it in words, with what the keyring itself says in `detail`."""
        title, hint = _PROBLEMS[trouble]
        has_news = detail and trouble != "absent"
        super().__init__(f"{title} ({detail})." if has_news else f"{title}.", hint=hint)
        self.trouble = trouble


class SystemKeyring:
    """The entries of one service, a backend's name being the user."""

    def __init__(
        self,
        service: str,
        *,
        limit_s: float = QUIET_LIMIT_S,
        may_prompt: bool = False,
        on_wait: Callable[[], None] | None = None,
        child: tuple[str, ...] | None = None,
    ) -> None:
        """Wait for `limit_s` at most; `on_wait` is called once a call takes long.

        `child` is the command of the process that asks the keyring, Offramp's own if None.
        """
        self._service = service
        self._limit_s = limit_s
        self._may_prompt = may_prompt
        self._on_wait = on_wait
        self._child = child or programs.start_command("keyring")

    def get(self, names: Iterable[str]) -> dict[str, Secret]:
        """Get the keys of these backends, as far as the keyring has them.

        Raises:
            KeyringError: it can't be asked; the same goes for the other methods.
        """
        keys = self._ask("get", tuple(names)).keys
        return {name: Secret(key) for name, key in keys.items()}

    def set(self, name: str, key: Secret) -> str:
        """Store `key` and read it back; return the keyring's name."""
        return self._ask("set", (name,), key.reveal()).detail

    def delete(self, name: str) -> bool:
        """Delete the key of this backend; whether there was one."""
        return name in self._ask("delete", (name,)).keys

    def look(self) -> str:
        """Get the keyring's name, if it could be used now."""
        return self._ask("look", ()).detail

    def _ask(
        self,
        do: Literal["get", "set", "delete", "look"],
        users: tuple[str, ...],
        key: str | None = None,
    ) -> KeyringAnswer:
        command = KeyringCommand(
            do=do,
            service=self._service,
            users=users,
            key=key,
            may_prompt=self._may_prompt,
            limit_s=int(self._limit_s) + 1,
        )
        output = self._run(msgspec.json.encode(command))
        try:
            answer = msgspec.json.decode(output, type=KeyringAnswer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Not chained: the error could repeat what came.
            answer = KeyringAnswer(outcome="failed", detail="its answer can't be read")
        if answer.outcome != "done":
            raise KeyringError(answer.outcome, answer.detail)
        return answer

    def _run(self, command: bytes) -> bytes:
        try:
            process = subprocess.Popen(
                self._child,
                env=without_keys(os.environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise KeyringError("failed", error.strerror or str(error)) from error
        with process:
            try:
                return self._wait(process, command)
            except subprocess.TimeoutExpired:
                raise KeyringError("slow", f"within {self._limit_s:g} s") from None
            finally:
                process.kill()

    def _wait(self, process: subprocess.Popen[bytes], command: bytes) -> bytes:
        first_s = min(_SAID_AFTER_S, self._limit_s)
        try:
            return process.communicate(command, timeout=first_s)[0]
        except subprocess.TimeoutExpired:
            if self._on_wait is not None:
                self._on_wait()
        return process.communicate(timeout=max(self._limit_s - first_s, 0.01))[0]
