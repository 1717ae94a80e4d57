"""The process that talks to the system keyring: one command in, one answer out, then it ends.

A keyring may block: on a bus that does not answer, or on a prompt that nobody sees. A process can
be ended then, a thread can't. Keys pass through its standard input and output, never through its
arguments. It asks nobody for a password unless somebody is there to be asked.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from keyring.backend import KeyringBackend

KeyringOutcome = Literal["done", "absent", "locked", "changed", "failed"]

_NO_KEYRINGS = (
    "keyring.backends.fail",
    "keyring.backends.null",
    "keyrings.alt",  # text files
    "keyrings.cryptfile",  # a text file, with a password asked for on the terminal
)
"""Modules whose back ends keep nothing, or keep it no better than our own file does."""

_OUTCOMES: Mapping[str, KeyringOutcome] = {
    "-25308": "locked",  # errSecInteractionNotAllowed
    "-25293": "changed",  # errSecAuthFailed
    "-25244": "changed",  # errSecInvalidOwnerEdit
    "-67030": "changed",  # errSecCSInfoPlistFailed
    "codesign util": "changed",  # how the library says -25293
}
"""What the Keychain's errors mean; reports. An entry belongs to the Python that made it, and one
that was upgraded since is another."""
_SECURITY = "/System/Library/Frameworks/Security.framework/Security"
_LONGEST_DETAIL = 200


class KeyringCommand(msgspec.Struct, frozen=True, kw_only=True):
    """What to do for the keys `users` of `service`; `key` is what to set."""

    do: Literal["get", "set", "delete", "look"]
    service: str
    users: tuple[str, ...] = ()
    key: str | None = None
    may_prompt: bool = False
    limit_s: int = 10
    """After so long the process ends, whatever it waits for."""


class KeyringAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `keys` holds those that were found."""

    outcome: KeyringOutcome
    detail: str = ""
    """The keyring's name where it worked, else what went wrong, without any key."""
    keys: dict[str, str] = {}


class LockedError(Exception):
    """The keyring would ask for its password, and nobody is there to be asked."""


def main() -> None:
    """Read a command from standard input, write the answer to standard output."""
    command = msgspec.json.decode(sys.stdin.buffer.read(), type=KeyringCommand)
    signal.alarm(command.limit_s)  # its parent may end without a word
    sys.stdout.buffer.write(msgspec.json.encode(carry_out(command)))


def carry_out(command: KeyringCommand) -> KeyringAnswer:
    """Do it with the first keyring that counts as one."""
    import keyring.errors

    try:
        if not command.may_prompt and sys.platform == "darwin":
            _forbid_prompts_on_macos()
        backends = list(_backends(keyring.get_keyring()))
        if not backends:
            return KeyringAnswer(outcome="absent", detail="there is none")
        if not command.may_prompt:
            for backend in backends:
                _refuse_prompt(backend)
        return _DO[command.do](backends, command)
    except (LockedError, keyring.errors.KeyringLocked) as error:
        return KeyringAnswer(outcome="locked", detail=_detail(error, command))
    except keyring.errors.NoKeyringError:
        return KeyringAnswer(outcome="absent", detail="there is none")
    except Exception as error:  # noqa: BLE001 - back ends raise whatever their libraries do
        text = str(error)
        outcome = next((found for sign, found in _OUTCOMES.items() if sign in text), None)
        return KeyringAnswer(outcome=outcome or "failed", detail=_detail(error, command))


def _backends(found: KeyringBackend) -> Iterator[KeyringBackend]:
    """What `found` stands for, the best first, without what is not a keyring."""
    for backend in getattr(found, "backends", (found,)):
        module = type(backend).__module__
        if not any(module == name or module.startswith(f"{name}.") for name in _NO_KEYRINGS):
            yield backend


def _get(backends: list[KeyringBackend], command: KeyringCommand) -> KeyringAnswer:
    keys = {}
    for user in command.users:
        for backend in backends:
            if (key := backend.get_password(command.service, user)) is not None:
                keys[user] = key
                break
    return KeyringAnswer(outcome="done", detail=_name(backends[0]), keys=keys)


def _set(backends: list[KeyringBackend], command: KeyringCommand) -> KeyringAnswer:
    backend, (user,) = backends[0], command.users
    backend.set_password(command.service, user, command.key or "")
    if backend.get_password(command.service, user) == command.key:
        return KeyringAnswer(outcome="done", detail=_name(backend))
    with contextlib.suppress(Exception):
        backend.delete_password(command.service, user)
    return KeyringAnswer(outcome="failed", detail="it did not give back what it had been given")


def _delete(backends: list[KeyringBackend], command: KeyringCommand) -> KeyringAnswer:
    """Delete what there is; `keys` names it, without the keys."""
    deleted = {}
    for backend in backends:
        for user in command.users:
            if backend.get_password(command.service, user) is not None:
                backend.delete_password(command.service, user)
                deleted[user] = ""
    return KeyringAnswer(outcome="done", detail=_name(backends[0]), keys=deleted)


def _look(backends: list[KeyringBackend], command: KeyringCommand) -> KeyringAnswer:
    del command
    return KeyringAnswer(outcome="done", detail=_name(backends[0]))


_DO: dict[str, Callable[[list[KeyringBackend], KeyringCommand], KeyringAnswer]] = {
    "get": _get,
    "set": _set,
    "delete": _delete,
    "look": _look,
}


def _name(backend: KeyringBackend) -> str:
    return str(getattr(backend, "name", type(backend).__name__))


def _refuse_prompt(backend: KeyringBackend) -> None:
    """Raise where the Secret Service would ask for a password before it answers.

    keyring itself always lets it ask.
    """
    if type(backend).__module__ != "keyring.backends.SecretService":
        return
    import secretstorage
    from secretstorage.collection import DEFAULT_COLLECTION
    from secretstorage.exceptions import ItemNotFoundException

    place = getattr(backend, "preferred_collection", DEFAULT_COLLECTION)
    with contextlib.closing(secretstorage.dbus_init()) as bus:
        try:
            is_locked = secretstorage.Collection(bus, place).is_locked()
        except ItemNotFoundException as error:
            raise LockedError("it has no default collection yet") from error
    if is_locked:
        raise LockedError("it waits for its password")


def _forbid_prompts_on_macos() -> None:
    """Let the Keychain refuse rather than ask, for as long as this process lives."""
    with contextlib.suppress(OSError, AttributeError):
        forbid: Any = ctypes.CDLL(_SECURITY).SecKeychainSetUserInteractionAllowed
        forbid(ctypes.c_ubyte(0))


def _detail(error: Exception, command: KeyringCommand) -> str:
    from offramp_core.redaction import Redactor  # only for errors: start-up is quicker without it

    redactor = Redactor([command.key] if command.key else ())
    text = redactor.redact(" ".join(str(error).split()))
    return (text or type(error).__name__)[:_LONGEST_DETAIL].rstrip(".")


if __name__ == "__main__":
    main()
