"""What the user chose to see outlives the window; a broken file only loses that."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from privileges import without_root

from offramp_core.errors import OfframpError
from offramp_core.usage.measure import Measure
from offramp_core.usage.weeks import Span
from offramp_dashboard.data import filters
from offramp_dashboard.data.filters import Selection

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_selection_comes_back_without_its_range(tmp_path: Path) -> None:
    file = tmp_path / "data" / "selection.json"
    chosen = Selection(
        measure=Measure.REQUESTS,
        hidden_providers=frozenset({"zai", ""}),
        hidden_models=frozenset({"claude-opus-4-6"}),
    )
    with_span = Selection(
        measure=chosen.measure,
        hidden_providers=chosen.hidden_providers,
        hidden_models=chosen.hidden_models,
        span=Span(NOW, NOW + timedelta(hours=1)),
    )
    filters.save(file, with_span)
    assert filters.load(file) == chosen
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["selection.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"measure": "money"}',
        b'{"hidden_models": 5}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_broken_file_gives_the_default(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "selection.json"
    file.write_bytes(content)
    assert filters.load(file) == Selection()


def test_missing_or_special_file_gives_the_default(tmp_path: Path) -> None:
    assert filters.load(tmp_path / "none" / "selection.json") == Selection()
    os.mkfifo(tmp_path / "pipe")
    assert filters.load(tmp_path / "pipe") == Selection()


def test_folder_that_is_read_only_is_said_and_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "data" / "selection.json"
    filters.save(file, Selection(measure=Measure.REQUESTS))
    file.parent.chmod(0o500)
    try:
        with without_root(), pytest.raises(OfframpError, match="can't be kept") as refusal:
            filters.save(file, Selection())
    finally:
        file.parent.chmod(0o700)
    assert refusal.value.hint
    assert filters.load(file).measure is Measure.REQUESTS


def test_saving_does_not_keep_the_window_waiting_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    filters.save(tmp_path / "charts.json", Selection(measure=Measure.REQUESTS))
    assert waited == []


def test_toggling_hides_and_shows_one_at_a_time() -> None:
    hidden = Selection().with_provider("zai", is_on=False).with_model("", is_on=False)
    assert not hidden.shows("zai", "claude-opus-4-6")
    assert not hidden.shows("anthropic", None)
    assert hidden.shows("anthropic", "claude-opus-4-6")
    assert hidden.with_provider("zai", is_on=True).with_model("", is_on=True) == Selection()


@pytest.mark.parametrize("kind", ["provider", "model"])
def test_choosing_one_hides_the_others_and_choosing_it_again_shows_all(kind: str) -> None:
    known = ["anthropic", "zai", ""]
    only = getattr(Selection, f"with_only_{kind}")
    hidden = f"hidden_{kind}s"
    one = only(Selection(), "zai", known)
    assert getattr(one, hidden) == {"anthropic", ""}
    other = only(one, "anthropic", known)
    assert getattr(other, hidden) == {"zai", ""}
    assert getattr(only(other, "anthropic", known), hidden) == frozenset()


def test_choosing_a_hidden_one_shows_it_and_nothing_else() -> None:
    chosen = Selection(hidden_models=frozenset({"a"})).with_only_model("a", ["a", "b", "c"])
    assert chosen.hidden_models == {"b", "c"}


def test_one_of_one_stays_shown() -> None:
    assert Selection().with_only_model("a", ["a"]).hidden_models == frozenset()
