"""The settings in force, taken anew when their files change.

A bad edit keeps the old settings. Requests under way keep the settings that they began with, since
settings are frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from offramp_core.config import ConfigError, LoadedSettings
from offramp_core.settings import Settings

_NEEDS_RESTART = ("host", "port", "log_dir", "log_format")

Say = Callable[[str], None]


class LiveSettings:
    """Holds the settings; `refresh` looks whether the files have others by now."""

    def __init__(
        self,
        load: Callable[[], LoadedSettings],
        fingerprint: Callable[[], Hashable],
        say: Say,
    ) -> None:
        """Load once.

        Raises:
            ConfigError: the settings are wrong from the start.
        """
        self._load = load
        self._fingerprint = fingerprint
        self._say = say
        self._seen = fingerprint()
        self._loaded = load()

    @property
    def current(self) -> Settings:
        """The settings in force."""
        return self._loaded.settings

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about them."""
        return self._loaded.notes

    def refresh(self) -> None:
        """Take the files' settings if they changed; say what came of it."""
        seen = self._fingerprint()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            loaded = self._load()
        except ConfigError as error:
            self._say(f"Settings not taken, the old ones stay. {error}")
            return
        before, self._loaded = self._loaded, loaded
        self._say(_what_changed(before.settings, loaded.settings))
        for note in loaded.notes:
            if note not in before.notes:
                self._say(note)


def _what_changed(before: Settings, after: Settings) -> str:
    changed = [
        name for name in Settings.__struct_fields__ if getattr(before, name) != getattr(after, name)
    ]
    if not changed:
        return "Settings read again: nothing changed."
    late = [name for name in changed if name in _NEEDS_RESTART]
    text = f"Settings taken: {', '.join(changed)}."
    return f"{text} After a restart: {', '.join(late)}." if late else text
