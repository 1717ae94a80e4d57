"""Keyrings for tests, named by PYTHON_KEYRING_BACKEND; kept in the file FAKE_KEYRING names.

That file is JSON of the form {"service/user": "key"}. A second one beside it, `state`, says whether
it can be had: `locked`, `failing` or `blocked` (for as long as it says so).
"""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, KeyringLocked, PasswordDeleteError

FILE = "FAKE_KEYRING"


class FakeKeyring(KeyringBackend):
    """A keyring in good order, unless told otherwise."""

    priority = 1  # type: ignore[assignment] - keyring declares a property of the class
    name = "Test keyring"

    @property
    def file(self) -> Path:
        return Path(os.environ[FILE])

    def _state(self) -> str:
        file = self.file.with_name("state")
        return file.read_text() if file.exists() else ""

    def _entries(self) -> dict[str, str]:
        while self._state() == "blocked":
            time.sleep(0.02)
        if self._state() == "locked":
            raise KeyringLocked("Failed to unlock the collection!")
        if self._state() == "failing":
            raise KeyringError("it burnt down")
        entries: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return entries

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.file.write_text(json.dumps(self._entries() | {f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        if entries.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("No such password!")
        self.file.write_text(json.dumps(entries))


class ForgetfulKeyring(FakeKeyring):
    """Takes everything and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        del service, username, password


class TalkativeKeyring(FakeKeyring):
    """Fails, and repeats what it was given."""

    def set_password(self, service: str, username: str, password: str) -> None:
        coded = base64.b64encode(password.encode()).decode()
        raise ValueError(f"can't store {service} {username} {password} ({coded})")
