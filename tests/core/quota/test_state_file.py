"""The file of the plans' limits: what is written reads back, and nothing in it can do harm."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.quota import state_file
from offramp_core.quota.windows import PlanQuota, QuotaWindow

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PLANS = (
    PlanQuota(
        backend="anthropic",
        account="a1",
        windows=(QuotaWindow(name="7d", used=0.4, resets=NOW, read_at=NOW),),
        read_at=NOW,
    ),
    PlanQuota(backend="zai", account="b2", level="max", problem="It told nothing.", read_at=NOW),
)


def test_plans_read_back_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "quota.json"
    file.write_bytes(state_file.encode(PLANS))
    assert state_file.read(file) == PLANS


def test_file_of_a_newer_version_reads_as_far_as_it_is_known() -> None:
    data = state_file.encode(PLANS).replace(b'{"plans"', b'{"of":"later","plans"')
    assert state_file.decode(data) == PLANS


@pytest.mark.parametrize(
    "content",
    [b"", b"no json", b'{"plans":[{}]}', b"\xff", b"[" * 100_000, b" " * (1024 * 1024) + b"{}"],
)
def test_file_that_can_not_be_used_tells_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "quota.json"
    file.write_bytes(content)
    assert state_file.read(file) == ()


def test_no_file_tells_nothing(tmp_path: Path) -> None:
    assert state_file.read(tmp_path / "quota.json") == ()
    assert state_file.read(tmp_path) == ()


@given(st.binary())
def test_any_content_is_plans_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(state_file.decode(data), tuple)
