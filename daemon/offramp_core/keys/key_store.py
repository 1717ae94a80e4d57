"""Where keys are kept that no setting gives: the system keyring where one works, else our file.

The key file says for each backend which of the two it is. Blocks for as long as the keyring takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.keys import key_file
from offramp_core.keys.system_keyring import KeyringError, SystemKeyring
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.keys.key_file import KeyPlace, StoredKey
    from offramp_core.settings import Secret

_SERVICE = "offramp"


def service_name(paths: Paths) -> str:
    """Name the keyring's service for these folders: another home's keys are not touched."""
    is_usual = paths.config_dir == Paths.for_user({}).config_dir
    return _SERVICE if is_usual else f"{_SERVICE} {paths.config_dir}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlacement:
    """Where a key went, and what was in the way.

    `obstacle` is why it is not in the keyring or, where an older one `was_in_keyring`, why that
    may still be there.
    """

    place: KeyPlace
    where: str
    was_in_keyring: bool = False
    obstacle: KeyringError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDeletion:
    """Where a key was; `obstacle` is why the keyring could not be asked."""

    from_file: bool
    from_keyring: bool
    obstacle: KeyringError | None = None


class KeyStore:
    """The stored keys of one home."""

    def __init__(self, paths: Paths, keyring: SystemKeyring | None = None) -> None:
        """Use `keyring`, else the system's, asking nobody for a password."""
        self._file = paths.keys_file
        self._keyring = keyring or SystemKeyring(service_name(paths))

    def entries(self) -> Mapping[str, StoredKey]:
        """Read what is stored, by backend, without asking the keyring.

        Raises:
            OfframpError: the file can't be read.
        """
        return key_file.load(self._file)

    def set(self, backend: str, key: Secret, *, place: KeyPlace | None = None) -> KeyPlacement:
        """Store `key` in `place`, or in the keyring if it works and in the file if not.

        Raises:
            OfframpError: it could not be stored; what was stored before still is.
        """
        before = self.entries().get(backend)
        obstacle = None
        if place != "file":
            try:
                name = self._keyring.set(backend, key)
            except KeyringError as error:
                if place == "keyring":
                    raise
                obstacle = error
            else:
                key_file.put(self._file, backend, place="keyring")
                return KeyPlacement(place="keyring", where=name)
        key_file.put(self._file, backend, place="file", key=key)
        was_in_keyring = before is not None and before.place == "keyring"
        if was_in_keyring and obstacle is None:
            obstacle = self._forget(backend)
        return KeyPlacement(
            place="file",
            where=str(self._file),
            was_in_keyring=was_in_keyring,
            obstacle=obstacle,
        )

    def get(self, backend: str) -> Secret | None:
        """Get the stored key of `backend`; None if there is none.

        Raises:
            OfframpError: the file or the keyring can't be read.
        """
        entry = self.entries().get(backend)
        if entry is None or entry.place == "file":
            return entry.key if entry else None
        return self._keyring.get((backend,)).get(backend)

    def delete(self, backend: str) -> KeyDeletion:
        """Delete the key of `backend` wherever it is stored.

        Where the keyring can't be asked, its key stays there, but is no longer used.

        Raises:
            OfframpError: the file can't be read or written.
        """
        entry = key_file.remove(self._file, backend)
        from_file = entry is not None and entry.place == "file"
        try:
            from_keyring = self._keyring.delete(backend)
        except KeyringError as error:
            # Without a mark it most likely holds none.
            is_held = entry is not None and entry.place == "keyring"
            return KeyDeletion(
                from_file=from_file, from_keyring=False, obstacle=error if is_held else None
            )
        return KeyDeletion(from_file=from_file, from_keyring=from_keyring)

    def _forget(self, backend: str) -> KeyringError | None:
        """Delete the key from the keyring, where it is no longer of use."""
        try:
            self._keyring.delete(backend)
        except KeyringError as error:
            return error
        return None
