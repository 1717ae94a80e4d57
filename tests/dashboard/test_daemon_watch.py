"""The daemon in the toolbar: followed live, paused and resumed, and waited for when it is gone."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trouble_samples
from app_thread import NOWHERE, app_in_thread
from patience import PATIENCE_S
from proxy_harness import settings_for
from trouble_samples import fallback, left, trouble

from offramp_core.control import api
from offramp_core.control.api import BackendStatus, Bypass, Pause, RecordsStatus, Status
from offramp_core.control.client import ControlClient
from offramp_core.paths import Paths
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.wording import trouble_text
from offramp_daemon.proxy.detour import served_by
from offramp_dashboard.daemon_watch import UNKNOWN, DaemonWatch
from offramp_dashboard.data.daemon_text import seen
from offramp_dashboard.data.quota.quota_burnup import QuotaReport
from offramp_dashboard.data.snapshot import DaemonCondition, DaemonSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from offramp_core.control.api import CommandAnswer
    from offramp_core.control.client import EventStream

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def home() -> Iterator[Path]:
    """Short enough for a socket below it."""
    folder = Path(tempfile.mkdtemp(prefix="offramp-"))
    yield folder
    shutil.rmtree(folder)


class ScriptedClient(ControlClient):
    """Counts its attempts; tells the statuses that it was given, and has none after that."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.attempts: queue.Queue[None] = queue.Queue()
        self.statuses: list[Status] = []

    def events(self) -> Any:
        self.attempts.put(None)
        told, self.statuses = self.statuses, []
        return Stream(told) if told else super().events()


class Stream(list[Status]):
    """Statuses that end by themselves."""

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def client(home: Path) -> ScriptedClient:
    return ScriptedClient(Paths.under(home).control_socket)


@pytest.fixture
def watch(client: ScriptedClient) -> Iterator[DaemonWatch]:
    made = DaemonWatch(client, UTC, lambda: NOW)
    yield made
    made.stop()
    for thread in threading.enumerate():
        if thread.name.startswith("offramp-daemon-"):
            thread.join(PATIENCE_S)
    assert not [one for one in threading.enumerate() if one.name.startswith("offramp-daemon-")]


def status(**fields: object) -> Status:
    plain = Status(
        pid=1,
        started=NOW,
        uptime_s=1,
        address="http://localhost:3001",
        records=RecordsStatus(written=0, waiting=0, lost=0),
        settings_file="config.toml",
    )
    return msgspec.structs.replace(plain, **fields)


def is_in(watch: DaemonWatch, state: DaemonCondition) -> Callable[[], bool]:
    return lambda: watch.current.state is state


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        (status(), DaemonCondition.RUNNING, "delegation is on"),
        (status(pause=Pause(since=NOW)), DaemonCondition.PAUSED, "until you resume it"),
        (
            status(pause=Pause(since=NOW, until=NOW + timedelta(hours=10))),
            DaemonCondition.PAUSED,
            "Paused until 22:00",
        ),
        (
            status(backends=(BackendStatus(name="zai", key="missing"),)),
            DaemonCondition.NO_KEY,
            "No key for Z.ai",
        ),
        (
            status(backends=(BackendStatus(name="kimi", key="missing", is_used=False),)),
            DaemonCondition.RUNNING,
            "delegation is on",
        ),
        (
            status(backends=(BackendStatus(name="zai", key="present"),)),
            DaemonCondition.RUNNING,
            "delegation is on",
        ),
        (
            status(
                delegation="auto", delegation_why="Sonnet on Claude: the week is 12% under pace."
            ),
            DaemonCondition.RUNNING,
            "Running, auto: Sonnet on Claude: the week is 12% under pace.",
        ),
        (
            status(delegation="auto"),
            DaemonCondition.RUNNING,
            "only as much as the Claude plan needs",
        ),
        (status(delegation="never"), DaemonCondition.RUNNING, "switched off in the settings"),
        (status(delegation="sometimes"), DaemonCondition.RUNNING, "delegation is on"),
        (status(is_stopping=True), DaemonCondition.STOPPED, "stopping"),
        (
            status(records=RecordsStatus(written=1, waiting=5, lost=0, last_error="disk full")),
            DaemonCondition.RUNNING,
            "Records can't be written: disk full",
        ),
    ],
)
def test_status_is_put_into_words(told: Status, state: DaemonCondition, words: str) -> None:
    found = seen(told, NOW, UTC)
    assert found.state is state
    assert words in found.text
    assert (found.paused_until is None) == (told.pause is None or told.pause.until is None)


def bypassed(cause: str, **fields: object) -> Status:
    bypass = Bypass(to="anthropic", since=NOW, cause=cause)
    bypass = msgspec.structs.replace(bypass, **fields)
    return status(backends=(BackendStatus(name="zai", key="present", bypass=bypass),))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (status(), ""),
        (
            bypassed(api.LIMIT, until=NOW + timedelta(hours=2)),
            "Z.ai's quota is used up: its requests go to Claude until 14:00. "
            "Wait until the quota resets, or choose a larger plan at Z.ai.",
        ),
        (
            msgspec.structs.replace(
                bypassed(api.LIMIT),
                quota=(
                    PlanQuota(
                        backend="zai",
                        account="a",
                        read_at=NOW,
                        windows=(
                            QuotaWindow(
                                name="5h", used=1.0, resets=NOW + timedelta(hours=2), read_at=NOW
                            ),
                            QuotaWindow(
                                name="7d", used=0.2, resets=NOW + timedelta(days=2), read_at=NOW
                            ),
                        ),
                    ),
                ),
            ),
            "Z.ai's quota is used up (5 hours): its requests go to Claude. "
            "Wait until the quota resets, or choose a larger plan at Z.ai.",
        ),
        (
            bypassed(api.UNREACHABLE, until=NOW - timedelta(seconds=1)),
            "Z.ai can't be reached: its requests go to Claude. "
            "Check the network and the proxy: offramp doctor",
        ),
        (
            bypassed("the moon is full"),
            "Z.ai can't serve it right now: what it can't serve goes to Claude. "
            "Run offramp doctor, and update Offramp.",
        ),
    ],
)
def test_detour_is_put_into_words(told: Status, words: str) -> None:
    assert seen(told, NOW, UTC).detour == words
    paused = msgspec.structs.replace(told, pause=Pause(since=NOW))
    assert seen(paused, NOW, UTC).detour == words


def test_detour_names_the_models_that_the_routes_send_there() -> None:
    told = bypassed(api.LIMIT, until=NOW + timedelta(hours=2))
    assert seen(told, NOW, UTC, {"zai": ("sonnet", "haiku")}).detour == (
        "Z.ai's quota is used up: Sonnet and Haiku go to Claude until 14:00. "
        "Wait until the quota resets, or choose a larger plan at Z.ai."
    )


def test_model_that_is_sent_in_the_place_of_another_is_a_detour() -> None:
    found = seen(status(fallbacks=(fallback(),)), trouble_samples.NOW, UTC)
    assert found.detour == (
        f"{trouble_text.fallback_text(fallback(), trouble_samples.NOW, UTC)} "
        f"{trouble_text.fallback_cure_text(fallback())}"
    )
    assert found.state is DaemonCondition.RUNNING


REFUSED = trouble(detail="HTTP 400, code 1210")


def test_what_is_not_delegated_is_an_alert_with_its_cure() -> None:
    found = seen(status(troubles=(REFUSED,)), trouble_samples.NOW, UTC)
    assert found.state is DaemonCondition.TROUBLE
    assert found.text == "Running, but delegation does not work for Sonnet 5.5."
    [alert] = found.alerts
    assert alert.cause == (
        "Z.ai refuses Sonnet 5.5 requests (HTTP 400, code 1210), so Claude serves them: 20 since "
        "09:00."
    )
    assert alert.cure == trouble_text.cure_text(REFUSED)
    assert alert.since == REFUSED.since


def test_alert_knows_what_the_daemon_writes_of_its_requests() -> None:
    kept = trouble(cause=api.KEPT, rule="images")
    found = seen(status(troubles=(REFUSED, kept)), trouble_samples.NOW, UTC).alerts
    assert sorted(alert.reason for alert in found) == ["kept: images", "served by anthropic"]
    assert "served by anthropic" in served_by("anthropic", [])
    [other] = seen(status(client_problem=left()), trouble_samples.NOW, UTC).alerts
    assert (other.since, other.reason) == (None, "")


def test_claude_code_that_left_is_the_first_alert_in_any_state() -> None:
    for fields in ({}, {"pause": Pause(since=NOW)}, {"delegation": "never"}):
        found = seen(status(troubles=(REFUSED,), client_problem=left(), **fields), NOW, UTC)
        assert found.alerts[0].cause == trouble_text.client_text(left())
        assert "offramp connect" in found.alerts[0].cure
        assert [alert.is_of_client for alert in found.alerts[:2]] == [True, False][
            : len(found.alerts)
        ]
        assert len(found.alerts) == (1 if fields else 2)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"pause": Pause(since=NOW)}, DaemonCondition.PAUSED),
        ({"delegation": "never"}, DaemonCondition.RUNNING),
    ],
)
def test_what_is_not_to_be_delegated_is_no_alert(
    fields: dict[str, Any], state: DaemonCondition
) -> None:
    found = seen(status(troubles=(REFUSED,), **fields), NOW, UTC)
    assert (found.state, found.alerts) == (state, ())


def test_what_a_bypass_says_is_no_alert_besides() -> None:
    told = msgspec.structs.replace(bypassed(api.LIMIT), troubles=(trouble(api.LIMIT),))
    found = seen(told, NOW, UTC)
    assert (found.state, found.alerts) == (DaemonCondition.RUNNING, ())
    assert found.detour


def test_alert_keeps_its_key_while_only_its_number_grows_and_a_new_run_has_another() -> None:
    runs = [
        trouble(requests=3),
        trouble(requests=40),
        trouble(since=NOW),
        trouble(model="GLM-4.7"),
        trouble(api.KEPT, rule="images"),
        trouble(api.KEPT, rule="documents"),
    ]
    keys = [seen(status(troubles=(each,)), NOW, UTC).alerts[0].key for each in runs]
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


def test_plans_are_told_when_they_change(
    watch: DaemonWatch, client: ScriptedClient, qtbot: QtBot
) -> None:
    told: list[QuotaReport] = []
    watch.quota_reported.connect(told.append)
    plans = (PlanQuota(backend="zai", account="a", read_at=NOW),)
    client.statuses = [
        status(quota=plan, uptime_s=number) for number, plan in enumerate(((), (), plans, plans))
    ]
    watch.start()
    qtbot.waitUntil(is_in(watch, DaemonCondition.STOPPED))
    assert told == [
        QuotaReport(since=NOW),
        QuotaReport(plans=plans, since=NOW),
        QuotaReport(plans=plans, since=NOW, is_live=False),
    ]


def test_daemon_is_followed_paused_and_resumed(
    watch: DaemonWatch, home: Path, qtbot: QtBot
) -> None:
    busy: list[bool] = []
    watch.busy_changed.connect(busy.append)
    assert watch.current is UNKNOWN
    with app_in_thread(home):
        with qtbot.waitSignal(watch.changed) as told:
            watch.start()
        assert told.args[0].state is DaemonCondition.RUNNING
        until = datetime.now(UTC) + timedelta(hours=1)
        with qtbot.waitSignal(watch.answered) as answer:
            watch.pause(until)
        assert answer.args == [""]
        assert watch.current.state is DaemonCondition.PAUSED
        assert watch.current.paused_until is not None
        assert abs(watch.current.paused_until - until) < timedelta(seconds=1)
        with qtbot.waitSignal(watch.answered):
            watch.resume()
        qtbot.waitUntil(is_in(watch, DaemonCondition.RUNNING))
    assert busy == [True, False, True, False]


def test_change_that_somebody_else_made_is_seen(
    watch: DaemonWatch, home: Path, qtbot: QtBot
) -> None:
    with app_in_thread(home) as app:
        watch.start()
        qtbot.waitUntil(is_in(watch, DaemonCondition.RUNNING))
        ControlClient(app.paths.control_socket).pause()
        qtbot.waitUntil(is_in(watch, DaemonCondition.PAUSED))


def test_missing_key_is_told(watch: DaemonWatch, home: Path, qtbot: QtBot) -> None:
    keyed = settings_for(NOWHERE, NOWHERE)
    backends = tuple(msgspec.structs.replace(one, key=None) for one in keyed.backends)
    with app_in_thread(home, msgspec.structs.replace(keyed, backends=backends)):
        watch.start()
        qtbot.waitUntil(is_in(watch, DaemonCondition.NO_KEY))


def test_daemon_that_goes_and_comes_back_is_noticed(
    watch: DaemonWatch, home: Path, qtbot: QtBot
) -> None:
    watch.start()
    qtbot.waitUntil(is_in(watch, DaemonCondition.STOPPED))
    assert "offramp serve" in watch.current.text
    for _ in range(2):
        with app_in_thread(home):
            qtbot.waitUntil(is_in(watch, DaemonCondition.RUNNING))
        qtbot.waitUntil(is_in(watch, DaemonCondition.STOPPED))


def test_command_without_a_daemon_is_refused_with_its_cure(
    watch: DaemonWatch, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(watch.refused) as told:
        watch.pause()
    title, hint = told.args
    assert "not running" in title
    assert "offramp serve" in hint


class DeafDaemon:
    """Takes connections and never answers."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.fspath(path))
        self.listener.listen(8)

    def close(self) -> None:
        self.listener.close()


def test_deaf_daemon_blocks_nobody_and_a_second_command_is_refused(
    home: Path, qtbot: QtBot
) -> None:
    path = Paths.under(home).control_socket
    deaf = DeafDaemon(path)
    watch = DaemonWatch(ControlClient(path, timeout_s=1.0), UTC, lambda: NOW)
    try:
        watch.start()
        watch.pause()
        with qtbot.waitSignal(watch.refused) as told:
            watch.pause()
        # Before the first one is given up, so it was not waited for.
        assert "has not answered the last command" in told.args[0]
        with qtbot.waitSignal(watch.refused) as told:
            pass
        assert "did not answer within" in told.args[0]
        qtbot.waitUntil(lambda: "did not answer" in watch.current.text)
        assert watch.current.state is DaemonCondition.UNKNOWN
    finally:
        watch.stop()
        deaf.close()


def test_same_state_is_told_once(watch: DaemonWatch, client: ScriptedClient, qtbot: QtBot) -> None:
    told: list[DaemonSummary] = []
    watch.changed.connect(told.append)
    watch.start()
    qtbot.waitUntil(lambda: len(told) == 1)
    for _ in range(2):
        client.attempts.get(timeout=PATIENCE_S)
    watch.stop()
    assert len(told) == 1


class BrokenClient(ControlClient):
    """Fails in a way that nobody foresaw, until it is mended."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.is_mended = False

    def events(self) -> EventStream:
        if not self.is_mended:
            raise RuntimeError("odd")
        return super().events()

    def resume(self) -> CommandAnswer:
        if not self.is_mended:
            raise RuntimeError("odd")
        return super().resume()


def test_unforeseen_failure_is_told_and_the_next_try_counts(home: Path, qtbot: QtBot) -> None:
    client = BrokenClient(Paths.under(home).control_socket)
    watch = DaemonWatch(client, UTC, lambda: NOW)
    try:
        with app_in_thread(home):
            watch.start()
            qtbot.waitUntil(lambda: "RuntimeError: odd" in watch.current.text)
            assert watch.current.state is DaemonCondition.UNKNOWN
            with qtbot.waitSignal(watch.refused) as told:
                watch.resume()
            assert "RuntimeError: odd" in told.args[0]

            client.is_mended = True
            with qtbot.waitSignal(watch.answered):
                watch.resume()
            qtbot.waitUntil(is_in(watch, DaemonCondition.RUNNING))
    finally:
        watch.stop()
