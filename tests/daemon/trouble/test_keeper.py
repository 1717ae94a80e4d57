"""Troubles outlive the daemon, end with changed settings or a new version, and are announced."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from control_harness import Commands
from messages import SONNET, ask
from proxy_harness import CLAUDE_TOKEN, settings_for
from running_app import running_app

from offramp_core import __version__
from offramp_core.config.loader import LoadedSettings
from offramp_core.control import api
from offramp_core.paths import Paths
from offramp_core.settings import Route, Secret, Settings
from offramp_core.usage import state_events
from offramp_core.wording import trouble_text
from offramp_daemon import app
from offramp_daemon.config.live_settings import LiveSettings
from offramp_daemon.recording.console import Console
from offramp_daemon.trouble.settings_mark import mark_of
from offramp_daemon.trouble.watch import Subject

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp

    from offramp_daemon.app import Parts
    from offramp_simulator import Simulator

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


class World:
    """One home folder, a clock, settings, and the daemons that live there one after the other."""

    def __init__(self, home: Path) -> None:
        self.paths = Paths.under(home)
        self.now = NOW
        self.settings = settings_for("http://127.0.0.1:9", "http://127.0.0.1:9")
        self.shown = io.StringIO()

    async def start(self) -> Parts:
        self.console = Console(self.shown, log_format="text")
        self.console.start()

        def load(_held: object) -> LoadedSettings:
            return LoadedSettings(settings=self.settings, origins={}, notes=())

        live = LiveSettings(load, lambda: self.settings, self.console.say)
        daemon = app.compose(
            live, self.paths, self.console, address="http://localhost:1", clock=lambda: self.now
        )
        await daemon.start()
        return daemon

    def stop(self, daemon: Parts) -> None:
        daemon.close()
        self.console.close()

    def subject(self, session: str, route: Route | None = None) -> Subject:
        route = route or self.settings.routes[0]
        return Subject(
            backend="zai", model=SONNET, mark=mark_of(self.settings, route), session=session
        )

    def refuse(self, daemon: Parts, *sessions: str) -> None:
        for session in sessions:
            subject = self.subject(session)
            daemon.troubles.watch.note_failed(subject, api.REFUSED, "HTTP 400, code 1210")
            daemon.troubles.watch.note_stood_in(subject, api.REFUSED)

    @property
    def told(self) -> list[tuple[str, str | None, str | None]]:
        lines = (self.paths.log_dir / state_events.FILE_NAME).read_bytes().splitlines()
        events = [state_events.decode(line) for line in lines]
        return [(each.event, each.model, each.why) for each in events if "trouble" in each.event]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_trouble_holds_in_the_next_daemon_and_is_said_again(world):
    daemon = await world.start()
    world.refuse(daemon, "s1", "s2", "s2")
    before = daemon.troubles.watch.troubles()
    world.stop(daemon)
    world.now += timedelta(minutes=5)
    daemon = await world.start()
    assert daemon.troubles.watch.troubles() == before
    assert before[0].requests == 3
    assert daemon.troubles.watch.skip_for(world.subject("s3")) is not None
    world.stop(daemon)
    assert world.told == [("trouble", SONNET, api.REFUSED)] * 2
    said = f"{trouble_text.cause_text(before[0])} {trouble_text.cure_text(before[0])}"
    assert said in world.shown.getvalue()
    assert world.shown.getvalue().count("HTTP 400, code 1210") == 2


async def test_counts_go_on_in_the_next_daemon(world):
    for session in ("s1", "s2", "s3"):
        daemon = await world.start()
        world.refuse(daemon, session)
        world.stop(daemon)
    daemon = await world.start()
    (count,) = daemon.troubles.watch.stand_ins()
    world.stop(daemon)
    assert (count.model, count.cause, count.requests, count.since) == (SONNET, api.REFUSED, 3, NOW)


async def test_end_of_a_trouble_is_announced_once(world):
    daemon = await world.start()
    world.refuse(daemon, "s1", "s2")
    (trouble,) = daemon.troubles.watch.troubles()
    world.now += timedelta(minutes=15)
    daemon.troubles.watch.note_served(world.subject("s1"))
    daemon.troubles.watch.note_served(world.subject("s1"))
    world.stop(daemon)
    assert world.told == [
        ("trouble", SONNET, api.REFUSED),
        ("trouble over", SONNET, api.REFUSED),
    ]
    assert world.shown.getvalue().count(trouble_text.over_text(trouble)) == 1
    daemon = await world.start()
    assert daemon.troubles.watch.troubles() == ()
    world.stop(daemon)


async def test_new_version_tries_again_and_keeps_the_counts(world):
    daemon = await world.start()
    world.refuse(daemon, "s1", "s2")
    world.stop(daemon)
    file = world.paths.troubles_file
    held = json.loads(file.read_bytes())
    file.write_text(json.dumps({**held, "version": "0.0.1"}))
    daemon = await world.start()
    assert daemon.troubles.watch.troubles() == ()
    assert daemon.troubles.watch.skip_for(world.subject("s1")) is None
    assert daemon.troubles.watch.stand_ins()[0].requests == 2
    world.stop(daemon)
    held = json.loads(file.read_bytes())
    assert (held["version"], held["runs"]) == (__version__, [])


@pytest.mark.parametrize("is_while_it_runs", [True, False])
async def test_changed_route_ends_the_trouble(world, is_while_it_runs):
    daemon = await world.start()
    world.refuse(daemon, "s1", "s2")
    if not is_while_it_runs:
        world.stop(daemon)
    routes = (Route(match="sonnet", backend="zai", send_model="GLM-5.4"),)
    world.settings = msgspec.structs.replace(world.settings, routes=routes)
    if is_while_it_runs:
        daemon.live.reload()
        daemon.troubles.settle()
    else:
        daemon = await world.start()
    assert daemon.troubles.watch.troubles() == ()
    world.stop(daemon)


async def test_another_key_ends_the_trouble_and_one_that_comes_from_the_keyring_does_not(world):
    def with_key(key: Secret | None) -> Settings:
        backends = tuple(
            msgspec.structs.replace(each, key=key) if each.name == "zai" else each
            for each in world.settings.backends
        )
        return msgspec.structs.replace(world.settings, backends=backends)

    daemon = await world.start()
    world.refuse(daemon, "s1", "s2")
    old = world.settings.backend("zai").key
    for key, is_over in ((None, False), (old, False), (Secret("another"), True)):
        world.settings = with_key(key)
        daemon.live.reload()
        daemon.troubles.settle()
        assert (daemon.troubles.watch.troubles() == ()) is is_over
    world.stop(daemon)


async def test_other_settings_do_not_end_the_trouble(world):
    daemon = await world.start()
    world.refuse(daemon, "s1", "s2")
    world.settings = msgspec.structs.replace(world.settings, week_start_day=1)
    daemon.live.reload()
    daemon.troubles.settle()
    assert len(daemon.troubles.watch.troubles()) == 1
    world.stop(daemon)


async def test_damaged_file_is_said_and_begun_again(world):
    file = world.paths.troubles_file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\x00" * 100)
    daemon = await world.start()
    world.refuse(daemon, "s1")
    world.stop(daemon)
    assert "damaged" in world.shown.getvalue()
    daemon = await world.start()
    assert daemon.troubles.watch.stand_ins()[0].requests == 1
    world.stop(daemon)


async def test_daemon_that_never_met_trouble_writes_no_file(world):
    world.stop(await world.start())
    assert not world.paths.troubles_file.exists()


async def test_disk_that_takes_nothing_costs_only_what_it_should_keep(world):
    world.paths.troubles_file.mkdir(parents=True)
    daemon = await world.start()
    world.refuse(daemon, "s1", "s2")
    assert len(daemon.troubles.watch.troubles()) == 1
    world.stop(daemon)


async def test_running_daemon_reports_what_it_skips_and_so_does_the_next_one(
    tmp_path: Path, client: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.script("zai", ["zai=1210"] * 20)
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    async with running_app(tmp_path, settings) as running:
        commands = Commands(running.paths)
        await commands.until_there()
        for _ in range(5):
            async with client.post(f"{running.url}/v1/messages", json=ask()) as answer:
                assert answer.status == 200
                await answer.read()
        first = await commands.until(lambda status: bool(status.troubles))
    async with running_app(tmp_path, settings) as running:
        status = await Commands(running.paths).until_there()
    assert status.troubles == first.troubles
    assert status.stand_ins == first.stand_ins
    (trouble,) = status.troubles
    assert (trouble.backend, trouble.model, trouble.cause) == ("zai", SONNET, api.REFUSED)
    assert (trouble.requests, trouble.detail) == (5, "HTTP 400, code 1210")
    assert trouble.next_try is not None
    written = running.paths.troubles_file.read_bytes()
    assert CLAUDE_TOKEN.encode() not in written
    key = settings.backend("zai").key
    assert key is not None
    assert key.reveal().encode() not in written


async def test_running_daemon_notices_that_claude_code_lost_the_address(
    tmp_path: Path, sim: Simulator
) -> None:
    settings = settings_for(sim.anthropic_url, sim.zai_url)
    home = tmp_path / "home" / ".claude" / "settings.json"
    home.parent.mkdir(parents=True)
    home.write_text('{"env": {}}')
    memory = Paths.under(tmp_path).claude_code_file
    memory.parent.mkdir(parents=True)
    connection = {"file": str(home), "url": "http://localhost:3001", "made": "env"}
    memory.write_text(json.dumps({"version": 1, "connections": [connection]}))
    async with running_app(tmp_path, settings) as running:
        commands = Commands(running.paths)
        status = await commands.until(lambda status: status.client_problem is not None)
        problem = status.client_problem
        assert problem is not None
        assert (problem.settings_file, problem.found) == (str(home), None)
        home.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": running.url}}))
        await commands.until(lambda status: status.client_problem is None)
    told = [each["event"] for each in commands.told()]
    assert [each for each in told if each.startswith("client")] == ["client lost", "client found"]


async def test_failing_model_is_a_trouble_only_until_the_breaker_bars_it(world):
    daemon = await world.start()
    backend, watch = world.settings.backend("zai"), daemon.troubles.watch
    for number in range(10):
        watch.note_failed(world.subject(f"s{number}"), api.FAILING, "HTTP 500")
    assert [trouble.cause for trouble in watch.troubles()] == [api.FAILING]
    breaker = daemon.health.breaker
    for model, shown in (("GLM-4.5-Air", 1), (SONNET, 0)):
        for _ in range(3):
            breaker.note_failure(breaker.ask(backend, model), api.OVERLOADED)
        assert len(watch.troubles()) == shown
        breaker.note_success(breaker.ask(backend, model))
    assert len(watch.troubles()) == 1
    world.stop(daemon)
