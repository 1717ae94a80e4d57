"""A user's folders with settings in them, and what `load` makes of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.config.loader import LoadedSettings, load
from offramp_core.config.stored_keys import KeyMark
from offramp_core.keys import key_file
from offramp_core.settings import Secret

if TYPE_CHECKING:
    from offramp_core.paths import Paths

KEY = "0123456789abcdef0123456789abcdef.AbCdEfGh12345678"
OTHER_KEY = "fedcba98765432100123456789abcdef.HgFeDcBa87654321"
TOKEN = "a-long-enough-client-token"


@dataclass(frozen=True)
class SettingsHome:
    """The folders of one test."""

    paths: Paths

    def write(self, toml: str = "", *, env: str = "") -> None:
        """Write what is given into `config.toml` and `.env`."""
        self.paths.config_dir.mkdir(parents=True, exist_ok=True)
        if toml:
            self.paths.config_file.write_text(toml, encoding="utf-8")
        if env:
            self.paths.env_file.write_text(env, encoding="utf-8")

    def store(self, backend: str = "zai", key: str | None = KEY) -> KeyMark:
        """Store `key` in the key file, or the mark of one in the keyring where that is None."""
        secret = Secret(key) if key else None
        place = "file" if key else "keyring"
        key_file.put(self.paths.keys_file, backend, place=place, key=secret)
        return KeyMark(backend, key_file.read(self.paths.keys_file).keys[backend].stored)

    def load(self, *held: tuple[KeyMark, Secret], **environ: str) -> LoadedSettings:
        """Load the settings; the keyring holds `held`."""
        return load(self.paths, environ, from_keyring=dict(held))

    def load_toml(self, toml: str, **environ: str) -> LoadedSettings:
        """Load the settings with `toml` in `config.toml`."""
        self.write(toml)
        return self.load(**environ)


def key_of(loaded: LoadedSettings, backend: str = "zai") -> str | None:
    """The key that a backend has."""
    key = loaded.settings.backend(backend).key
    return key.reveal() if key else None
