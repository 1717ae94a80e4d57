"""A keyring of a test's own, for this process's children and for others."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

SUPPORT = str(Path(__file__).parent)

NONE = "keyring.backends.fail.Keyring"
NULL = "keyring.backends.null.Keyring"


@dataclass(frozen=True)
class TestKeyring:
    """Where it keeps its keys, and the variables that make a process use it."""

    __test__ = False  # not a class of tests

    folder: Path
    kind: str = "fake_keyrings.FakeKeyring"

    @property
    def file(self) -> Path:
        return self.folder / "keyring.json"

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHON_KEYRING_BACKEND": self.kind, "FAKE_KEYRING": str(self.file)}

    def python_path(self, before: str) -> dict[str, str]:
        """PYTHONPATH with what is in `before`, and the module of the fakes."""
        return {"PYTHONPATH": os.pathsep.join((before, SUPPORT))}

    def be(self, state: str) -> None:
        """Be `locked`, `blocked` or `failing`, or in good order again with an empty text."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "state.new"
        file.write_text(state)
        file.replace(self.folder / "state")

    def keys(self) -> dict[str, str]:
        keys: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return keys
