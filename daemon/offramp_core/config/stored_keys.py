"""Fills in the keys that are stored: the weakest source, behind every setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from offramp_core.config.schema import reader_for
from offramp_core.config.values import ConfigError, Given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from offramp_core.keys.key_file import KeyFile
    from offramp_core.settings import Backend, Secret

FROM_KEYRING = "keyring"
FROM_KEY_FILE = "key file"


class KeyMark(NamedTuple):
    """A key that the system keyring holds; `stored` differs each time that it is stored."""

    backend: str
    stored: str


@dataclass(slots=True)
class Filled:
    """The backends with their stored keys, and what goes with them in `LoadedSettings`."""

    backends: tuple[Backend, ...] = ()
    origins: dict[str, str] = field(default_factory=dict)
    marks: list[KeyMark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fill(
    backends: Sequence[Backend],
    stored: KeyFile,
    from_keyring: Mapping[KeyMark, Secret],
    *,
    place: str,
) -> Filled:
    """Give each backend that needs a key, and has none, the one that is stored for it.

    `from_keyring` holds what the caller has from the keyring; `place` is the file of `stored`.
    """
    filled = Filled(notes=list(stored.notes))
    filled.backends = tuple(
        _with_key(backend, stored, from_keyring, filled, place) for backend in backends
    )
    return filled


def _with_key(
    backend: Backend,
    stored: KeyFile,
    from_keyring: Mapping[KeyMark, Secret],
    filled: Filled,
    place: str,
) -> Backend:
    entry = stored.keys.get(backend.name)
    if entry is None or not backend.lacks_key:
        return backend
    name = f"backend.{backend.name}.key"
    if entry.place == "keyring":
        mark = KeyMark(backend.name, entry.stored)
        filled.marks.append(mark)
        key, origin = from_keyring.get(mark), FROM_KEYRING
    else:
        key, origin = entry.key, FROM_KEY_FILE
    given = Given(
        label=f"the key for {backend.name}",
        place="the system keyring" if origin == FROM_KEYRING else place,
        origin=origin,
        value=key.reveal() if key else "",
        is_text=True,
        is_secret=True,
    )
    if key is None and origin == FROM_KEYRING:
        filled.origins[name] = origin
        return backend
    try:
        key = reader_for(name)(given)
    except ConfigError as error:
        # Not an error: a key that can't be used must not keep the daemon from starting.
        filled.notes.append(f"{error} Store it again: offramp key set {backend.name}")
        return backend
    filled.origins[name] = origin
    return msgspec.structs.replace(backend, key=key)
