"""A time zone that nobody knows is said once at the head of whatever shows local times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from log_samples import log_file, sample_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon_process import Ending

COMMANDS = [
    ("stats",),
    ("stats", "--json"),
    ("stats", "--by", "day"),
    ("sessions",),
    ("logs",),
    ("simulate",),
    ("status",),
    ("pause", "--for", "1h"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("zone", ["Europe/Atlantis", ":Mars"])
def test_unknown_time_zone_is_said_once(
    offramp: Callable[..., Ending],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    zone: str,
) -> None:
    monkeypatch.setenv("TZ", zone)
    log_file(tmp_path).write_bytes(sample_line(datetime.now(UTC)))
    ending = offramp(*words)
    said = f"TZ={zone.removeprefix(':')} is not a time zone that this system knows"
    assert ending.err.count(said) == 1
    assert said not in ending.out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "CET-1CEST", ""])
def test_known_time_zone_is_no_news(
    offramp: Callable[..., Ending],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    zone: str,
) -> None:
    monkeypatch.setenv("TZ", zone)
    log_file(tmp_path).write_bytes(sample_line(datetime.now(UTC)))
    assert "TZ=" not in offramp(*words).err


def test_week_of_an_unknown_time_zone_is_headed_with_the_one_it_is_in(
    offramp: Callable[..., Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Nowhere/City")
    log_file(tmp_path).write_bytes(sample_line(datetime.now(UTC)))
    assert "(UTC)" in offramp("stats").out.splitlines()[0]
