"""A restart is noticed by nobody: no stream is cut, and no request waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from restarts_under_load import restart_under_load

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_simulator import Simulator

pytestmark = pytest.mark.root

RESTARTS = 12
"""benchmarks/restarts.py makes a hundred of them."""


async def test_restarts_cut_no_stream_and_keep_no_request_waiting(
    tmp_path: Path, sim: Simulator
) -> None:
    figures = await restart_under_load(
        tmp_path / "home", sim, restarts=RESTARTS, long_stream_s=15.0
    )
    assert figures.failures == []
    assert figures.latest_first_byte_s < 10
    assert figures.longest_stream_s > 14
    assert len(figures.pids) == RESTARTS + 1
    assert figures.has_same_main_pid
    assert figures.restarts_by_manager == 0
    assert figures.records == len(figures.outcomes)
