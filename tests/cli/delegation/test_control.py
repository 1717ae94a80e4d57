"""`offramp status`, `pause` and `resume` against a daemon that is a process of its own."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest
from control_harness import Commands
from daemon_process import daemon_process, run_command, write_config
from quota_samples import claude_week, keep, next_reset
from raw_client import SONNET

from offramp_cli import exit_codes
from offramp_core.usage.weeks import WeekBoundary
from offramp_daemon.routing import pause

NOWHERE = "http://127.0.0.1:9"


async def test_status_of_no_daemon_says_so_and_fails(tmp_path):
    for arguments, start in (
        (("status",), "offramp serve"),
        (("status", "--demo"), "offramp demo"),
    ):
        ending = await run_command(tmp_path, *arguments)
        assert (ending.code, ending.err) == (exit_codes.FAILURE, "")
        assert "not running" in ending.out
        assert start in ending.out
    ending = await run_command(tmp_path, "status", "--json")
    assert ending.code == exit_codes.FAILURE
    assert json.loads(ending.out)["running"] is False


@pytest.mark.parametrize("command", ["pause", "resume"])
async def test_command_without_a_daemon_fails(tmp_path, command):
    ending = await run_command(tmp_path, command)
    assert (ending.code, ending.out) == (exit_codes.FAILURE, "")
    assert "offramp: The daemon is not running" in ending.err
    assert "Traceback" not in ending.err


async def test_status_tells_what_a_script_and_a_person_need(tmp_path):
    write_config(tmp_path, NOWHERE, NOWHERE)
    async with daemon_process(tmp_path) as running:
        await Commands(running.paths).until_there()
        ending = await run_command(tmp_path, "status", "--json")
        assert (ending.code, ending.err) == (0, "")
        status = json.loads(ending.out)
        assert (status["running"], status["pid"]) == (True, running.process.pid)
        assert status["address"] == f"http://localhost:{running.port}"
        ending = await run_command(tmp_path, "status")
        assert ending.code == 0
        rows = dict(line.split(maxsplit=1) for line in ending.out.splitlines())
        assert f"pid {running.process.pid}" in rows["daemon"]
        assert rows["delegation"] == "on"
        assert rows["key"] == "zai     present"
        assert rows["settings"] == str(running.paths.config_file)
        await running.stop()


async def test_autopilots_sentence_is_shown_while_it_decides(tmp_path, sim, client):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url, top='delegation = "auto"')
    body = SONNET.replace(b"[]", b'[{"role":"user","content":"Hello"}]')
    async with daemon_process(tmp_path) as running:
        await Commands(running.paths).until_there()
        assert "\nautopilot " not in (await run_command(tmp_path, "status")).out
        async with client.post(running.url + "/v1/messages", data=body) as answered:
            await answered.read()
        said = "autopilot   Sonnet on Z.ai: Claude's figures are not known freshly enough\n"
        assert said in (await run_command(tmp_path, "status")).out
        await run_command(tmp_path, "pause")
        assert "\nautopilot " not in (await run_command(tmp_path, "status")).out
        await running.stop()


async def test_missing_key_shows_beside_delegation(tmp_path):
    async with daemon_process(tmp_path) as running:
        commands = Commands(running.paths)
        await commands.until_there()
        assert "on, but no key for Z.ai" in (await run_command(tmp_path, "status")).out
        await running.stop()
    assert [each["event"] for each in commands.told()] == ["started", "key missing", "stopped"]


async def test_pause_outlives_a_kill_and_resume_ends_it(tmp_path, sim, client):
    write_config(tmp_path, sim.anthropic_url, sim.zai_url)
    body = SONNET.replace(b"[]", b'[{"role":"user","content":"Hello"}]')
    async with daemon_process(tmp_path) as running:
        await Commands(running.paths).until_there()
        ending = await run_command(tmp_path, "pause")
        assert (ending.code, ending.err) == (0, "")
        assert "paused until you resume it" in ending.out
        assert await running.stop(signal.SIGKILL) == -signal.SIGKILL
    async with daemon_process(tmp_path) as running:
        assert "Paused" in await running.line_with("Paused")
        commands = Commands(running.paths)
        await commands.until_there()  # in the place of the killed one's socket
        async with client.post(running.url + "/v1/messages", data=body) as answered:
            assert answered.status == 200
            await answered.read()
        ending = await run_command(tmp_path, "resume")
        assert (ending.code, ending.out) == (0, "Delegation: on.\n")
        ending = await run_command(tmp_path, "resume")
        assert (ending.code, ending.err) == (0, "Note: Delegation was not paused.\n")
        async with client.post(running.url + "/v1/messages", data=body) as answered:
            await answered.read()
        await running.stop()
    told = [(record.backend, record.reason) for record in running.records]
    assert told == [("anthropic", "paused"), ("zai", "route sonnet")]
    events = [each["event"] for each in commands.told()]
    # A start alone would say that delegation goes on, so the pause is told anew.
    assert events == ["started", "paused", "started", "paused", "resumed", "stopped"]
    assert "Resumed" in running.said


async def test_pause_ends_by_itself_while_the_daemon_is_down(tmp_path):
    write_config(tmp_path, NOWHERE, NOWHERE)
    async with daemon_process(tmp_path) as running:
        commands = Commands(running.paths)
        await commands.until_there()
        assert (await run_command(tmp_path, "pause", "--for", "1h")).code == 0
        await running.stop()
    saved = pause.load_pause(running.paths.delegation_file)
    assert saved is not None
    over = datetime.now(UTC) - timedelta(minutes=1)
    text = running.paths.delegation_file.read_text().replace(
        f"{saved.until:%Y-%m-%dT%H:%M:%S.%f}", f"{over:%Y-%m-%dT%H:%M:%S.%f}"
    )
    running.paths.delegation_file.write_text(text)
    async with daemon_process(tmp_path) as running:
        assert (await commands.until_there()).pause is None
        await running.stop()
    assert commands.told()[3]["why"] == "time over"
    assert commands.told()[3]["ts"].startswith(f"{over:%Y-%m-%dT%H:%M:%S}")


async def test_pause_ends_when_the_option_says(tmp_path):
    write_config(tmp_path, NOWHERE, NOWHERE, top="week_start_day = 1\nweek_start_hour = 7")
    async with daemon_process(tmp_path, TZ="UTC") as running:
        commands = Commands(running.paths)
        await commands.until_there()
        now = datetime.now(UTC)
        for options, until in (
            (("--for", "2d"), now + timedelta(days=2)),
            (("--until", f"{now + timedelta(days=3):%Y-%m-%dT%H:%M:%S}"), now + timedelta(days=3)),
            (("--until-reset",), WeekBoundary(day=1, hour=7, zone=UTC).week_of(now).end),
        ):
            ending = await run_command(tmp_path, "pause", *options, TZ="UTC")
            assert (ending.code, ending.err) == (0, "")
            assert "paused until " in ending.out
            pause = (await commands.status()).pause
            assert pause is not None
            assert pause.until is not None
            assert abs(pause.until - until) < timedelta(seconds=20)
        ending = await run_command(tmp_path, "pause", "--until", "2200-01-01T00:00")
        assert ending.code == exit_codes.WRONG_ARGUMENT
        assert "is more than a year away" in ending.err
        await running.stop()


async def test_pause_until_the_reset_is_until_claudes_where_that_was_told(tmp_path):
    write_config(tmp_path, NOWHERE, NOWHERE)
    async with daemon_process(tmp_path, TZ="UTC") as running:
        commands = Commands(running.paths)
        await commands.until_there()
        reset = next_reset()
        keep(running.paths, claude_week(reset))
        ending = await run_command(tmp_path, "pause", "--until-reset", TZ="UTC")
        assert (ending.code, ending.err) == (0, "")
        pause = (await commands.status()).pause
        assert pause is not None
        assert pause.until == reset
        await running.stop()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--for", "soon"), "'soon' is not a length"),
        (("--until", "25:00"), "'25:00' is not a time"),
        (("--until", "2020-01-01T00:00"), "over already"),
        (("--for", "1h", "--until-reset"), "can't be combined"),
        (("--for", "1h", "--until", "22:00"), "can't be combined"),
    ],
)
async def test_option_that_names_no_time_is_refused_as_usage(tmp_path, options, words):
    ending = await run_command(tmp_path, "pause", *options)
    assert ending.code == 2
    assert words in ending.err


async def test_demo_is_commanded_apart_from_the_users_own_daemon(tmp_path):
    async with daemon_process(tmp_path, "--no-traffic", is_demo=True) as running:
        await Commands(running.paths).until_there()
        assert (await run_command(tmp_path, "status")).code == exit_codes.FAILURE
        assert (await run_command(tmp_path, "pause", "--demo", "--until-reset")).code == 0
        assert "paused until" in (await run_command(tmp_path, "status", "--demo")).out
        assert (await run_command(tmp_path, "resume", "--demo")).code == 0
        await running.stop()
