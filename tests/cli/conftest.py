"""What the tests of the command line share: `offramp` in this process, on folders of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from daemon_process import Ending
from log_samples import SETTINGS_VARIABLES

from offramp_cli import main

if TYPE_CHECKING:
    from pathlib import Path

RunOfframp = Callable[..., Ending]


@pytest.fixture
def offramp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> RunOfframp:
    """Runs `offramp` with these arguments, and no settings from this process."""
    for name in (*SETTINGS_VARIABLES, "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OFFRAMP_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> Ending:
        monkeypatch.setattr(sys, "argv", ["offramp", *arguments])
        with pytest.raises(SystemExit) as ending:
            main()
        code = ending.value.code
        return Ending(code if isinstance(code, int) else 0, *capfd.readouterr())

    return run
