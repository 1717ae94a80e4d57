"""`offramp start`, `stop` and `restart` beside a daemon that runs in a terminal."""

from __future__ import annotations

import pytest
from daemon_process import daemon_process, run_command


@pytest.mark.parametrize(
    ("verb", "advice"),
    [
        ("stop", "press Ctrl-C in that terminal"),
        ("restart", "then start it there again: offramp serve"),
        ("start", "Nothing has to be started"),
    ],
)
async def test_daemon_in_a_terminal_is_named_with_what_to_do(tmp_path, verb, advice):
    async with daemon_process(tmp_path) as daemon:
        ending = await run_command(tmp_path, verb)
        assert daemon.process.returncode is None
    assert ending.code == 1
    assert f"as process {daemon.process.pid}" in ending.err
    assert advice in ending.err


async def test_purge_waits_for_the_end_of_a_daemon_in_a_terminal(tmp_path):
    async with daemon_process(tmp_path) as daemon:
        ending = await run_command(tmp_path, "uninstall", "--purge", "--yes")
        assert (await run_command(tmp_path, "status")).code == 0
    assert ending.code == 1
    assert f"as process {daemon.process.pid}. Nothing was removed." in ending.err
    assert (await run_command(tmp_path, "uninstall", "--purge", "--yes")).code == 0


async def test_without_any_daemon_the_advice_is_to_run_one(tmp_path):
    ending = await run_command(tmp_path, "stop")
    assert ending.code == 1
    assert "runs in a terminal" not in ending.err
    assert "offramp serve" in ending.err
