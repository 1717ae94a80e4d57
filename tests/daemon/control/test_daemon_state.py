"""The daemon's state on a clock of the test's own: what takes effect, and what is written of it."""

from __future__ import annotations

import asyncio
import io
import json
import os
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from patience import PATIENCE_S
from proxy_harness import settings_for

from offramp_core.config.loader import LoadedSettings
from offramp_core.control.api import Pause, PlanOutlook
from offramp_core.paths import Paths
from offramp_core.quota.windows import QuotaWindow
from offramp_core.usage import state_events
from offramp_daemon import app
from offramp_daemon.config.live_settings import LiveSettings
from offramp_daemon.recording.console import Console
from offramp_daemon.routing import pause
from offramp_daemon.routing.decision import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from offramp_core.control.api import Status
    from offramp_core.settings import Settings
    from offramp_daemon.app import Parts

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class World:
    """One home folder, a clock, settings, and the daemons that live there one after the other."""

    def __init__(self, home: Path) -> None:
        self.paths = Paths.under(home)
        self.now = NOW
        self.settings = settings_for("http://127.0.0.1:9", "http://127.0.0.1:9")
        self.shown = io.StringIO()

    async def start(self, *, has_socket: bool = True) -> Parts:
        self.console = Console(self.shown, log_format="text")
        self.console.start()
        live = LiveSettings(self._load, lambda: self.settings, self.console.say)
        daemon = app.compose(
            live, self.paths, self.console, address="http://localhost:1", clock=lambda: self.now
        )
        await daemon.start()
        if has_socket:
            await daemon.pauses.take_over()
        return daemon

    def stop(self, daemon: Parts) -> None:
        daemon.close()
        self.console.close()

    def kill(self) -> None:
        self.console.close()

    def without_key(self) -> Settings:
        backends = tuple(
            msgspec.structs.replace(backend, key=None) for backend in self.settings.backends
        )
        return msgspec.structs.replace(self.settings, backends=backends)

    @property
    def told(self) -> list[dict[str, Any]]:
        lines = (self.paths.log_dir / state_events.FILE_NAME).read_bytes().splitlines()
        return [{**json.loads(line), "pid": None} for line in lines]

    @property
    def names(self) -> list[str]:
        return [each["event"] for each in self.told]

    def _load(self, _held: object) -> LoadedSettings:
        return LoadedSettings(settings=self.settings, origins={}, notes=())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")  # 5 h 45 min before UTC
    return World(tmp_path)


async def test_each_change_of_state_leaves_one_line(world):
    daemon = await world.start()
    assert await daemon.pauses.pause(NOW + HOUR) == ()
    world.now += HOUR / 2
    assert await daemon.pauses.resume() == ()
    world.stop(daemon)
    started, paused, resumed, stopped = world.told
    assert (started["event"], stopped["event"]) == ("started", "stopped")
    assert paused == {
        "ts": "2026-11-26T12:00:00.000Z",
        "event": "paused",
        "until": "2026-11-26T13:00:00.000Z",
        "pid": None,
    }
    assert (resumed["event"], resumed["why"]) == ("resumed", "asked")
    assert resumed["ts"] == "2026-11-26T12:30:00.000Z"
    assert "Paused until 18:45: everything goes to Claude." in world.shown.getvalue()
    assert "Resumed" in world.shown.getvalue()


async def test_asking_for_what_is_so_already_is_no_change(world):
    daemon = await world.start()
    assert await daemon.pauses.resume() == ("Delegation was not paused.",)
    await daemon.pauses.pause(None)
    assert await daemon.pauses.pause(None) == ("Delegation was already paused.",)
    world.stop(daemon)
    assert world.names == ["started", "paused", "stopped"]


async def test_new_end_of_a_pause_keeps_its_beginning(world):
    daemon = await world.start()
    await daemon.pauses.pause(None)
    world.now += HOUR
    await daemon.pauses.pause(NOW + 2 * HOUR)
    assert daemon.delegation.pause == Pause(since=NOW, until=NOW + 2 * HOUR)
    world.stop(daemon)
    assert [each.get("until") for each in world.told][1:3] == [None, "2026-11-26T14:00:00.000Z"]


@pytest.mark.parametrize("is_killed", [False, True])
async def test_pause_holds_in_the_next_daemon(world, is_killed):
    daemon = await world.start()
    await daemon.pauses.pause(NOW + HOUR)
    world.kill() if is_killed else world.stop(daemon)
    world.now += HOUR / 2
    second = await world.start()
    assert second.delegation.pause == Pause(since=NOW, until=NOW + HOUR)
    second.pauses.say_pause()
    world.stop(second)
    if is_killed:
        daemon.close()
    assert "  Paused until 18:45" in world.shown.getvalue()
    assert "resumed" not in world.names
    again = [each for each in world.told if each["event"] == "paused"]
    assert [each["until"] for each in again] == ["2026-11-26T13:00:00.000Z"] * 2
    last_start = len(world.names) - 1 - world.names[::-1].index("started")
    assert world.names[last_start + 1] == "paused"


async def test_timed_pause_ends_though_no_daemon_ran_then(world):
    daemon = await world.start()
    await daemon.pauses.pause(NOW + HOUR)
    world.stop(daemon)
    world.now += 5 * HOUR
    second = await world.start()
    assert second.delegation.pause is None
    world.stop(second)
    world.now -= 5 * HOUR  # a clock that is put back does not bring it back
    third = await world.start()
    assert third.delegation.pause is None
    world.stop(third)
    assert world.names == [
        *("started", "paused", "stopped"),
        *("resumed", "started", "stopped"),
        *("started", "stopped"),
    ]
    resumed = world.told[3]
    assert (resumed["ts"], resumed["why"]) == ("2026-11-26T13:00:00.000Z", "time over")


async def test_daemon_without_the_socket_leaves_the_file_to_the_one_that_has_it(world):
    first = await world.start()
    await first.pauses.pause(NOW + HOUR)
    second = await world.start(has_socket=False)
    await first.pauses.pause(None)
    world.now += 2 * HOUR
    await second.pauses.settle()
    assert pause.load_pause(world.paths.delegation_file) == Pause(since=NOW)
    await second.pauses.take_over()
    assert second.delegation.pause == Pause(since=NOW)
    world.stop(second)
    first.close()


async def test_pipe_in_place_of_the_file_does_not_hold_the_start_up(world):
    world.paths.data_dir.mkdir(parents=True)
    os.mkfifo(world.paths.delegation_file)
    async with asyncio.timeout(PATIENCE_S):
        daemon = await world.start()
    assert daemon.delegation.pause is None
    world.stop(daemon)


async def test_watch_ends_a_timed_pause_and_wakes_who_follows(world):
    daemon = await world.start()
    with daemon.changes.follow() as changed:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            watching = group.create_task(daemon.pauses.watch())
            await daemon.pauses.pause(NOW + timedelta(seconds=0.02))
            changed.clear()
            world.now += HOUR
            await changed.wait()
            watching.cancel()
    assert daemon.delegation.due is None
    world.stop(daemon)
    assert world.names == ["started", "paused", "resumed", "stopped"]
    assert "pause is over" in world.shown.getvalue()


async def test_keys_that_go_and_come_are_told_with_their_backend_and_nothing_else(world):
    whole = world.settings
    world.settings = world.without_key()
    daemon = await world.start()
    await daemon.keys.refresh()  # nothing new
    world.settings = whole
    assert (await daemon.keys.reload()).changed == ("backends",)
    world.settings = world.without_key()
    await daemon.keys.refresh()
    world.stop(daemon)
    told = [(each["event"], each.get("backend")) for each in world.told][1:-1]
    assert told == [("key missing", "zai"), ("key found", "zai"), ("key missing", "zai")]


async def test_key_that_no_route_needs_is_not_missed(world):
    world.settings = msgspec.structs.replace(world.without_key(), routes=())
    daemon = await world.start()
    world.stop(daemon)
    assert world.names == ["started", "stopped"]


async def test_damaged_file_is_said_and_delegation_goes_on(world):
    world.paths.data_dir.mkdir(parents=True)
    world.paths.delegation_file.write_text("{")
    daemon = await world.start()
    assert daemon.delegation.pause is None
    await daemon.pauses.pause(None)
    world.stop(daemon)
    assert "damaged" in world.shown.getvalue()
    assert pause.load_pause(world.paths.delegation_file) == Pause(since=NOW)


async def test_pause_that_cannot_be_saved_holds_and_says_so(world):
    world.settings = msgspec.structs.replace(
        world.settings, log_dir=world.paths.data_dir.parent / "log"
    )
    world.paths.data_dir.parent.mkdir(exist_ok=True)
    world.paths.data_dir.write_text("a file where a folder should be")
    daemon = await world.start()
    (note,) = await daemon.pauses.pause(None)
    assert "could not be saved" in note
    assert "lost when the daemon ends" in note
    assert daemon.delegation.pause == Pause(since=NOW)
    world.stop(daemon)
    assert note in world.shown.getvalue()


async def test_status_says_which_model_is_sent_for_another_and_a_restart_changes_nothing(world):
    daemon = await world.start()
    route = world.settings.routes[0]
    routed = Decision(backend=world.settings.backend("zai"), reason="route sonnet", route=route)
    other = daemon.fallbacks.alternative(routed, "claude-sonnet-5-5")
    assert other is not None
    daemon.fallbacks.remember(routed, "claude-sonnet-5-5", other)
    before = daemon.state.status(in_flight=0, records=daemon.recorder.state).fallbacks
    assert [(each.model, each.sent, each.until) for each in before] == [
        ("claude-sonnet-5-5", "GLM-4.7", NOW + 24 * HOUR)
    ]
    world.stop(daemon)
    later = await world.start()
    assert later.state.status(in_flight=0, records=later.recorder.state).fallbacks == before
    world.stop(later)


async def test_service_that_no_route_leads_to_is_not_in_use(world):
    extra = msgspec.structs.replace(world.settings.backend("zai"), name="kimi", key=None)
    there = world.settings.backends
    world.settings = msgspec.structs.replace(world.settings, backends=(*there, extra))
    daemon = await world.start()
    status = daemon.state.status(in_flight=0, records=daemon.recorder.state)
    found = {each.name: each for each in status.backends}
    world.stop(daemon)
    assert (found["kimi"].key, found["kimi"].is_used) == ("missing", False)
    assert found["anthropic"].is_used
    assert found["zai"].is_used


def outlook_of(backend: str, *, runs_out: datetime | None = NOW + 3 * HOUR) -> PlanOutlook:
    return PlanOutlook(
        backend=backend,
        at=NOW,
        resets=NOW + 30 * HOUR,
        low=0.9,
        likely=1.0,
        high=1.0,
        runs_out=runs_out,
    )


async def status_with(
    world: World,
    *,
    delegation: str = "always",
    outlooks: tuple[PlanOutlook, ...] = (),
    weeks: Mapping[str, float] = MappingProxyType({}),
) -> Status:
    """The status in that mode, of plans with these outlooks, or so much of their weeks used."""
    world.settings = msgspec.structs.replace(world.settings, delegation=delegation)
    daemon = await world.start()
    try:
        daemon.pilot.outlooks = outlooks
        for backend, used in weeks.items():
            week = QuotaWindow(name="7d", used=used, resets=NOW + 80 * HOUR, read_at=NOW)
            daemon.quota.take(backend, "secret", [week])
        return daemon.state.status(in_flight=0, records=daemon.recorder.state)
    finally:
        world.stop(daemon)


def short(status: Status) -> list[str]:
    return [plan.backend for plan in status.short_plans]


async def test_a_plan_that_will_not_last_is_in_the_status_with_a_warning(world: World) -> None:
    outlooks = (outlook_of("zai"), outlook_of("anthropic", runs_out=None))
    status = await status_with(world, outlooks=outlooks)
    assert status.outlooks == outlooks
    (plan,) = status.short_plans
    assert (plan.backend, plan.resets) == ("zai", NOW + 30 * HOUR)
    assert plan.text.startswith("Z.ai's week is likely to be used up about ")
    assert status.warnings == (plan.text,)


async def test_plans_of_which_nothing_is_known_are_not_warned_of(world: World) -> None:
    status = await status_with(world)
    assert (status.outlooks, status.warnings, status.short_plans) == ((), (), ())


_BOTH = (outlook_of("anthropic"), outlook_of("zai"))


@pytest.mark.parametrize(
    ("delegation", "warned"),
    [("always", ["anthropic", "zai"]), ("auto", ["anthropic", "zai"]), ("never", ["anthropic"])],
)
async def test_only_plans_that_are_in_use_are_warned_of(
    world: World, delegation: str, warned: list[str]
) -> None:
    outlooks = (*_BOTH, outlook_of("kimi"))  # no route leads there
    assert short(await status_with(world, delegation=delegation, outlooks=outlooks)) == warned


@pytest.mark.parametrize(
    ("delegation", "warned"),
    [("always", ["anthropic", "zai"]), ("auto", ["anthropic", "zai"]), ("never", ["anthropic"])],
)
async def test_a_plan_without_an_outlook_is_warned_of_by_its_pace(
    world: World, delegation: str, warned: list[str]
) -> None:
    weeks = {"anthropic": 0.9, "zai": 0.9, "kimi": 0.9}
    status = await status_with(world, delegation=delegation, weeks=weeks)
    assert sorted(short(status)) == warned
    assert all("'s week will be used up about " in plan.text for plan in status.short_plans)
    assert {plan.resets for plan in status.short_plans} == {NOW + 80 * HOUR}


async def test_a_pace_is_no_warning_where_the_forecast_says_that_the_week_lasts(
    world: World,
) -> None:
    lasts = outlook_of("zai", runs_out=None)
    status = await status_with(world, outlooks=(lasts,), weeks={"zai": 0.9, "anthropic": 0.4})
    assert short(status) == []


@pytest.mark.parametrize(("outlooks", "advice"), [(_BOTH[1:], 1), (_BOTH, 0)])
async def test_auto_is_no_advice_where_claudes_week_does_not_last_either(
    world: World, outlooks: tuple[PlanOutlook, ...], advice: int
) -> None:
    status = await status_with(world, outlooks=outlooks)
    assert sum("would make it last longer" in each for each in status.warnings) == advice
