"""Request logs for the tests of the commands that read one, and `offramp` as a process."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from offramp_core.paths import Paths
from offramp_core.usage import records

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

OFFRAMP = [sys.executable, "-m", "offramp_cli"]

SETTINGS_VARIABLES = ("PORT", "HOST", "LOG_DIR", "LOG_LEVEL", "WEEK_START_DAY", "WEEK_START_HOUR")


def sample_line(moment: datetime, **fields: Any) -> bytes:
    """One line of a log: a Sonnet request that Z.ai served, but for `fields`."""
    values: dict[str, Any] = {
        "model": "claude-sonnet-4-5",
        "backend": "zai",
        "status": "success",
        "input_tokens": 1250,
        "output_tokens": 890,
        "http_status": 200,
        "reason": "route sonnet",
    }
    return records.encode(
        records.RequestRecord(ts=records.format_timestamp(moment), **{**values, **fields})
    )


def log_file(home: Path, *, is_demo: bool = False) -> Path:
    """A log file below `home`, its folder made."""
    folder = Paths.under(home / "demo" if is_demo else home).log_dir
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "requests-2026-02.jsonl"


def environ_for(home: Path, **variables: str) -> dict[str, str]:
    """What a process needs to run `offramp` on `home` alone."""
    return {
        "OFFRAMP_HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TZ": "UTC",
        **variables,
    }
