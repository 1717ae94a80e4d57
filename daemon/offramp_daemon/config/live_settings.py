"""The settings in force, read again when their files change.

A bad edit keeps the old settings. Requests under way keep the settings that they began with, since
settings are frozen. What takes effect only at the next start (the address, say) is held at its
value: settings must fit the socket that is open, not the one that is wished for.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from offramp_core.addresses import is_loopback
from offramp_core.config.loader import ConfigError, LoadedSettings
from offramp_core.control.api import ReloadAnswer
from offramp_core.settings import Settings, default_backends, default_routes
from offramp_daemon.config.keyring_keys import KeyringKeys

if TYPE_CHECKING:
    from offramp_core.config.stored_keys import KeyMark

_ADDRESS = ("host", "port")
_NEEDS_RESTART = (*_ADDRESS, "log_dir", "machine", "metrics", "log_format")

Say = Callable[[str], None]
Address = tuple[str, int]
"""Host and port of the socket that clients connect to."""
Load = Callable[[Mapping[str, str]], LoadedSettings]


class LiveSettings:
    """Holds the settings; `refresh` looks whether the files have others by now."""

    def __init__(
        self,
        load: Load,
        fingerprint: Callable[[], Hashable],
        say: Say,
        keyring: KeyringKeys | None = None,
        *,
        address: Address | None = None,
    ) -> None:
        """Load once; `load` takes variables that win over all others, and keys from `keyring`.

        `address` is where sockets listen that somebody else opened: the settings in force follow
        them. Whoever did that counts on being served, so wrong settings are then no reason not to:
        until they are right, the defaults hold, which leave everything as it came.

        Raises:
            ConfigError: the settings are wrong from the start, and no socket is open.
        """
        self._load = load
        self._fingerprint = fingerprint
        self._say = say
        self.keyring = keyring or KeyringKeys()
        self._address = address
        self._lock = threading.Lock()
        self._seen = fingerprint()
        self.problem: str | None = None
        """Why the settings in force are not those of the files; None while they are."""
        self.after_restart: tuple[str, ...] = ()
        """What the files say otherwise, and only the next start can take."""
        self.is_fallback = False
        """Whether the defaults are in force, since there have been no right settings so far."""
        try:
            self._wanted = self._loaded = load({})
            if address is not None:
                self._loaded = _moved(load(_held(address)), self._wanted.settings, address)
        except ConfigError as error:
            if address is None:
                raise
            self.problem, self.is_fallback = str(error), True
            self._wanted = self._loaded = _defaults(address)
        self.current: Settings = self._loaded.settings
        """The settings in force."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about them."""
        return self._loaded.notes

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each setting came from."""
        return self._loaded.origins

    @property
    def keyring_marks(self) -> tuple[KeyMark, ...]:
        """The keys that are the keyring's to give, given or not."""
        return self._loaded.keyring_marks

    @property
    def awaited_keys(self) -> tuple[str, ...]:
        """The backends whose key the keyring has not given yet."""
        return self._loaded.awaited_keys

    def refresh(self) -> None:
        """Take the files' settings if they changed; say what came of it."""
        if self._fingerprint() != self._seen:
            self.reload()

    def reload(self) -> ReloadAnswer:
        """Take the files' settings, changed or not; say what came of it, and return it."""
        with self._lock:  # a command may ask while the files are looked at
            self._seen = self._fingerprint()
            held, before = self.current, self._loaded
            try:
                wanted = self._load({})
                loaded = self._load(_held((held.host, held.port)))
            except ConfigError as error:
                if str(error) != self.problem:  # a command may ask about what was said already
                    self._say(
                        f"The new settings were rejected; the old ones stay in force. {error}"
                    )
                self.problem = str(error)
                return ReloadAnswer(problem=str(error))
            kept = {name: getattr(held, name) for name in _NEEDS_RESTART}
            settings = msgspec.structs.replace(loaded.settings, **kept)
            later = _changed(held, wanted.settings, among=_NEEDS_RESTART)
            if self._address is not None:
                # No restart moves sockets that somebody else opened; a note says what does.
                later = [name for name in later if name not in _ADDRESS]
                loaded = _moved(loaded, wanted.settings, self._address)
            now, self._wanted = _changed(held, settings), wanted
            self._loaded = dataclasses.replace(loaded, settings=settings)
            self.current = settings
            self.problem, self.is_fallback = None, False
            self.after_restart = tuple(later)
        self._say(_summary(now, later))
        for note in loaded.notes:
            if note not in before.notes:
                self._say(note)
        return ReloadAnswer(changed=tuple(now), after_restart=tuple(later))


def first_settings(load: Load, *, is_activated: bool) -> Settings:
    """Return the settings to start with: the defaults if they are wrong but sockets are open.

    Raises:
        ConfigError: they are wrong, and no socket is open.
    """
    try:
        return load({}).settings
    except ConfigError:
        if not is_activated:
            raise
        return _default_settings()


def _held(address: Address) -> dict[str, str]:
    """Variables that hold the address, whatever the files say."""
    host, port = address
    return {"OFFRAMP_HOST": host, "OFFRAMP_PORT": str(port)}


def _moved(loaded: LoadedSettings, wanted: Settings, address: Address) -> LoadedSettings:
    """Return `loaded`, with a note if the settings name another address than the sockets'."""
    host, port = address
    is_same_host = wanted.host == host or (is_loopback(wanted.host) and is_loopback(host))
    if wanted.port == port and is_same_host:
        return loaded
    note = (
        f"The settings name {wanted.host}, port {wanted.port}, but the sockets of the login item "
        f"are on {host}, port {port}. To move them: offramp install"
    )
    return dataclasses.replace(loaded, notes=(*loaded.notes, note))


def _defaults(address: Address) -> LoadedSettings:
    host, port = address
    settings = msgspec.structs.replace(_default_settings(), host=host, port=port)
    return LoadedSettings(settings=settings, origins={}, notes=())


def _default_settings() -> Settings:
    """Return the built-in settings: without a key everything goes to Anthropic as it came."""
    return Settings(backends=default_backends(), routes=default_routes())


def _changed(
    before: Settings, after: Settings, *, among: Sequence[str] = Settings.__struct_fields__
) -> list[str]:
    return [name for name in among if getattr(before, name) != getattr(after, name)]


def _summary(now: list[str], later: list[str]) -> str:
    if not now and not later:
        return "Settings read again: nothing changed."
    taken = f"Settings taken: {', '.join(now)}. " if now else ""
    waiting = f"Waiting for a restart: {', '.join(later)}." if later else ""
    return (taken + waiting).strip()
