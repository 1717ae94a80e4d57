"""The keeper: what it knows, of whom, for how long, and what of it outlives the daemon."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_S
from proxy_harness import CLAUDE_TOKEN, ZAI_KEY
from quota_desk import START, Desk, desk_at
from quota_headers_samples import CLASSIC, epoch, plan_headers, unified, window

from offramp_core.paths import Paths
from offramp_core.quota import history_log, state_file, windows
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.settings import default_backends

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
THURSDAY = datetime(2026, 11, 26, 22, tzinfo=UTC)
CLAUDE, ZAI = default_backends()
RENEWED = CLAUDE_TOKEN.replace("Xk3v", "Yq8w")
OPUS, SONNET = "claude-opus-4-6", "claude-sonnet-4-5"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path) as desk:
        yield desk


def usual(five_hour: float = 0.41, week: float = 0.63) -> dict[str, str]:
    return plan_headers(five_hour, week, SOON, THURSDAY)


def rates(now: datetime) -> dict[str, str]:
    """An API key's limit of requests, which refills in a minute."""
    resets = (now + timedelta(minutes=1)).isoformat()
    told = {"limit": "50", "remaining": "25", "reset": resets}
    return {f"{CLASSIC}requests-{name}": value for name, value in told.items()}


async def test_nothing_is_known_before_anything_was_told(desk):
    assert desk.keeper.plans() == ()
    desk.tell({"content-type": "application/json"})
    desk.tell(usual(), credential=None)
    desk.tell(usual(), credential="")
    assert desk.keeper.plans() == ()
    assert desk.keeper.spent_until("anthropic", OPUS) is None


async def test_answer_tells_each_window_and_the_next_one_moves_it(desk):
    desk.tell(usual())
    assert desk.used() == {"5h": 0.41, "7d": 0.63}
    desk.now += timedelta(minutes=3)
    desk.tell(window("5h", 0.44, SOON))
    assert desk.used() == {"5h": 0.44, "7d": 0.63}
    moments = {each.name: each.read_at for each in desk.plan().windows}
    assert moments == {"5h": desk.now, "7d": START}


@pytest.mark.parametrize("used", ["0.2", "-0.0"])
async def test_refused_window_with_overage_is_one_window_and_cleared_by_the_next_answer(desk, used):
    desk.tell(usual())
    refused = {
        "status": "rejected",
        "representative-claim": "seven_day_overage_included",
        "reset": epoch(THURSDAY),
        "7d_oi-status": "rejected",
    }
    desk.tell(usual() | unified(refused))
    desk.now += timedelta(minutes=1)
    spent = [each.name for each in desk.plan().windows if windows.is_spent(each, desk.now)]
    assert spent == ["7d_oi"]
    assert desk.keeper.spent_until("anthropic", SONNET) is None
    allowed = {"7d_oi-status": "allowed", "7d_oi-utilization": used}
    desk.tell(usual() | unified(allowed))
    assert desk.used() == {"5h": 0.41, "7d": 0.63, "7d_oi": abs(float(used))}
    assert not [each for each in desk.plan().windows if windows.is_spent(each, desk.now)]


async def test_window_past_its_reset_is_not_current(desk):
    desk.tell(usual())
    desk.now = SOON + timedelta(seconds=1)
    five_hours = windows.window_of(desk.plan(), "5h")
    assert five_hours is not None
    assert windows.used_at(five_hours, desk.now) is None


async def test_followers_hear_each_telling_and_a_bad_one_harms_nobody(desk, caplog):
    heard: list[float | None] = []

    def fail(plan: PlanQuota) -> None:
        raise RuntimeError(plan.backend)

    desk.keeper.follow(fail)
    desk.keeper.follow(lambda plan: heard.append(plan.windows[0].used))
    with caplog.at_level(logging.ERROR):
        desk.tell(usual(0.41))
        desk.tell(usual(0.42))
    assert heard == [0.41, 0.42]
    assert desk.used()["5h"] == 0.42


async def test_what_is_told_again_within_seconds_is_no_news(desk):
    heard: list[datetime] = []
    desk.keeper.follow(lambda plan: heard.append(plan.read_at))
    for _ in range(7):
        desk.tell(usual(0.41))
        desk.now += timedelta(seconds=5)
    assert heard == [START, START + timedelta(seconds=20)]


async def test_watchers_are_woken_by_what_they_would_see_alone(desk):
    desk.tell(usual(0.411))
    assert desk.changes == 1
    for used in (0.412, 0.415, 0.419):
        desk.tell(usual(used))
    assert desk.changes == 1
    desk.tell(usual(0.42))
    assert desk.changes == 2


async def test_headers_that_break_the_reading_do_not_reach_the_request(desk, caplog):
    class Broken(tuple):
        def __iter__(self):
            raise RuntimeError("no headers")

    with caplog.at_level(logging.ERROR):
        desk.keeper.read_answer(CLAUDE, CLAUDE_TOKEN, Broken())
    assert "could not be counted" in caplog.text
    assert CLAUDE_TOKEN not in caplog.text


async def test_accounts_are_apart_and_the_one_that_told_last_is_in_use(desk):
    other_week = plan_headers(0.1, 0.2, SOON, THURSDAY - timedelta(days=1))
    desk.tell(usual())
    first = desk.plan().account
    desk.now += timedelta(minutes=1)
    desk.tell(other_week, credential="sk-ant-oat01-another")
    assert desk.plan().account != first
    assert desk.used() == {"5h": 0.1, "7d": 0.2}
    desk.now += timedelta(minutes=1)
    desk.tell(usual(0.42))
    assert desk.plan().account == first
    assert desk.used() == {"5h": 0.42, "7d": 0.63}


async def test_api_key_neither_hides_the_plan_nor_is_refused_for_it(desk):
    desk.tell({**window("5h", 1.0, SOON, "rejected"), **window("7d", 0.63, THURSDAY)})
    plan = desk.plan()
    assert desk.keeper.spent_until("anthropic", OPUS) == SOON
    desk.now += timedelta(minutes=1)
    before = desk.changes
    desk.tell(rates(desk.now), credential="sk-ant-api03-another")
    assert desk.plan() == plan
    assert desk.changes == before
    assert desk.keeper.spent_until("anthropic", OPUS) is None
    desk.now = THURSDAY + timedelta(minutes=1)
    desk.tell(rates(desk.now), credential="sk-ant-api03-another")
    assert desk.used() == {"requests": 0.5}


async def test_account_in_use_again_is_known_though_it_tells_nothing_new(desk):
    other_week = plan_headers(0.1, 0.2, SOON, THURSDAY - timedelta(days=1))
    found = []
    for _ in range(2):
        desk.tell(usual())
        found.append(desk.plan().account)
        desk.now += timedelta(seconds=1)
        desk.tell(other_week, credential="sk-ant-oat01-another")
        found.append(desk.plan().account)
        desk.now += timedelta(seconds=1)
    assert found[:2] == found[2:]
    assert found[0] != found[1]


async def test_renewed_login_is_the_same_account_for_good(desk):
    desk.tell(usual())
    account = desk.plan().account
    desk.now += timedelta(minutes=30)
    desk.tell({**usual(0.43, 0.64), **window("7d_opus", 0.1, THURSDAY)}, credential=RENEWED)
    assert len(quota_accounts(desk)) == 1
    assert desk.plan().account == account
    # From then on it is known, whatever the figures.
    desk.tell(plan_headers(0.0, 0.0, SOON, THURSDAY + timedelta(days=7)), credential=RENEWED)
    assert desk.plan().account == account
    assert desk.keeper.spent_until("anthropic", OPUS, RENEWED) is None


def quota_accounts(desk: Desk) -> set[str]:
    return {plan.account for plan in desk.keeper.plans()}


async def test_spent_week_refuses_all_models_until_its_reset(desk):
    desk.tell({**usual(), **window("7d", 1.0, THURSDAY, "rejected")})
    for model in (OPUS, SONNET, None):
        assert desk.keeper.spent_until("anthropic", model) == THURSDAY
    desk.now = THURSDAY
    assert desk.keeper.spent_until("anthropic", OPUS) is None


async def test_spent_family_refuses_that_family_alone(desk):
    desk.tell({**usual(), **window("7d_opus", 1.0, THURSDAY, "rejected")})
    assert desk.keeper.spent_until("anthropic", OPUS) == THURSDAY
    assert desk.keeper.spent_until("anthropic", "Claude-OPUS-5[1m]") == THURSDAY
    for model in (SONNET, "claude-haiku-4-5", "claude-opusculum", None):
        assert desk.keeper.spent_until("anthropic", model) is None


async def test_rejection_by_claim_alone_refuses_its_family_alone(desk):
    desk.tell(
        {
            **usual(),
            **unified({"status": "rejected", "representative-claim": "seven_day_opus"}),
            **unified({"reset": epoch(THURSDAY)}),
        }
    )
    assert desk.keeper.spent_until("anthropic", OPUS) == THURSDAY
    assert desk.keeper.spent_until("anthropic", SONNET) is None


async def test_of_two_spent_windows_the_later_reset_counts(desk):
    desk.tell({**window("5h", 1.0, SOON, "rejected"), **window("7d", 1.1, THURSDAY, "rejected")})
    assert desk.keeper.spent_until("anthropic", SONNET) == THURSDAY


async def test_spent_rate_of_an_api_key_spends_no_plan(desk):
    desk.tell(
        {
            CLASSIC + "requests-limit": "50",
            CLASSIC + "requests-remaining": "0",
            CLASSIC + "requests-reset": "2026-11-24T09:00:30Z",
        }
    )
    assert desk.used() == {"requests": 1.0}
    assert desk.keeper.spent_until("anthropic", OPUS) is None


async def test_spent_tools_of_zai_refuse_no_message(desk):
    tools = QuotaWindow(name=windows.MONTHLY_TOOLS, used=1.0, resets=THURSDAY, read_at=START)
    week = QuotaWindow(name="7d", used=1.0, resets=SOON, read_at=START)
    desk.keeper.take("zai", ZAI_KEY, [tools])
    assert desk.keeper.spent_until("zai", "GLM-4.7") is None
    desk.keeper.take("zai", ZAI_KEY, [tools, week])
    assert desk.keeper.spent_until("zai", "GLM-4.7") == SOON


async def test_plan_of_a_certain_credential_can_be_asked_for(desk):
    desk.tell({**usual(), **window("7d", 1.0, THURSDAY, "rejected")})
    desk.now += timedelta(minutes=1)
    desk.tell(plan_headers(0.1, 0.2, SOON, SOON + timedelta(days=1)), credential="another")
    assert desk.keeper.spent_until("anthropic", OPUS) is None
    assert desk.keeper.spent_until("anthropic", OPUS, CLAUDE_TOKEN) == THURSDAY
    assert desk.keeper.spent_until("anthropic", OPUS, "a third") is None


async def test_problem_leaves_what_was_known_and_the_next_telling_ends_it(desk):
    week = QuotaWindow(name="7d", used=0.2, resets=THURSDAY, read_at=START)
    desk.keeper.take("zai", ZAI_KEY, [week], level="max")
    desk.now += timedelta(hours=1)
    desk.keeper.note_problem("zai", ZAI_KEY, "It did not answer.")
    desk.keeper.note_problem("zai", ZAI_KEY, "It did not answer.")
    (plan,) = desk.keeper.plans()
    assert (plan.problem, plan.read_at, plan.windows) == ("It did not answer.", START, (week,))
    assert desk.changes == 2
    again = QuotaWindow(name="7d", used=0.2, resets=THURSDAY, read_at=desk.now)
    desk.keeper.take("zai", ZAI_KEY, [again])
    (plan,) = desk.keeper.plans()
    assert (plan.problem, plan.read_at, plan.level) == (None, desk.now, "max")


async def test_problem_of_a_plan_that_never_told_is_all_that_is_known(desk):
    desk.keeper.note_problem("zai", ZAI_KEY, "It refuses the key.")
    (plan,) = desk.keeper.plans()
    assert (plan.windows, plan.problem) == ((), "It refuses the key.")


async def test_figures_outlive_the_daemon_with_their_age(tmp_path):
    async with desk_at(tmp_path) as desk:
        desk.tell({**usual(), **window("7d_opus", 0.2, THURSDAY)})
        before = desk.plan()
    async with desk_at(tmp_path, START + timedelta(hours=2)) as desk:
        assert desk.plan() == before
        assert desk.said == []
        desk.tell(window("5h", 0.5, SOON))
        assert desk.plan().account == before.account
        assert desk.used() == {"5h": 0.5, "7d": 0.63, "7d_opus": 0.2}


async def test_damaged_file_is_said_once_and_begun_anew(tmp_path):
    paths = Paths.under(tmp_path)
    paths.data_dir.mkdir(parents=True)
    paths.quota_file.write_text("{", encoding="utf-8")
    async with desk_at(tmp_path) as desk:
        assert len(desk.said) == 1
        assert str(paths.quota_file) in desk.said[0]
        desk.tell(usual())
    async with desk_at(tmp_path) as desk:
        assert desk.said == []
        assert desk.used() == {"5h": 0.41, "7d": 0.63}


async def test_two_daemons_on_one_file_lose_nothing_newer(tmp_path):
    async with desk_at(tmp_path) as old:
        old.tell(usual(0.40))
        async with desk_at(tmp_path) as new:
            # As far apart as answers overtake each other: they share one clock.
            new.now = START + timedelta(seconds=40)
            new.tell(usual(0.42, 0.64))
        old.now = START + timedelta(seconds=20)
        old.tell({**window("5h", 0.41, SOON), **window("7d_opus", 0.1, THURSDAY)})
    found = windows.find(state_file.read(Paths.under(tmp_path).quota_file), "anthropic")
    assert found is not None
    used = {each.name: each.used for each in found.windows}
    assert used == {"5h": 0.42, "7d": 0.64, "7d_opus": 0.1}


async def test_what_another_daemon_was_told_is_taken_over(tmp_path):
    async with desk_at(tmp_path) as one:
        async with desk_at(tmp_path) as other:
            week = QuotaWindow(name="7d", used=0.2, resets=THURSDAY, read_at=START)
            other.keeper.take("zai", ZAI_KEY, [week])
        one.tell(usual())
        one.has_change.clear()
        async with asyncio.timeout(PATIENCE_S):
            await one.has_change.wait()
        assert [plan.backend for plan in one.keeper.plans()] == ["anthropic", "zai"]


async def test_catching_up_takes_over_what_is_newer_and_leaves_the_rest(tmp_path):
    async with desk_at(tmp_path) as one:
        await one.keeper.catch_up()
        assert one.keeper.plans() == ()
        one.tell(usual(0.5))
        async with desk_at(tmp_path, START - timedelta(minutes=1)) as other:
            other.tell({**usual(0.4), **window("7d_opus", 0.1, THURSDAY)})
        changes = one.changes
        await one.keeper.catch_up()
        assert one.used() == {"5h": 0.5, "7d": 0.63, "7d_opus": 0.1}
        assert one.changes == changes + 1
        await one.keeper.catch_up()
        assert one.changes == changes + 1
        one.paths.quota_file.write_text("{", encoding="utf-8")
        await one.keeper.catch_up()
        assert one.used() == {"5h": 0.5, "7d": 0.63, "7d_opus": 0.1}


async def test_disk_that_can_not_be_written_costs_the_keeping_alone(tmp_path, caplog):
    paths = Paths.under(tmp_path)
    paths.quota_file.mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        async with desk_at(tmp_path) as desk:
            desk.tell(usual())
            assert desk.used() == {"5h": 0.41, "7d": 0.63}
    assert "can't be saved now" in caplog.text


async def test_history_has_the_moves(tmp_path):
    async with desk_at(tmp_path) as desk:
        for used in (0.41, 0.4149, 0.42):
            desk.tell(usual(used))
        folder = desk.paths.log_dir
    points = history_log.read(folder, START)
    assert [(point.window, point.used) for point in points] == [
        ("5h", 0.41),
        ("7d", 0.63),
        ("5h", 0.42),
    ]


async def test_credential_is_in_no_file(tmp_path):
    async with desk_at(tmp_path) as desk:
        desk.tell(usual())
        desk.tell(usual(0.42), credential=RENEWED)
        desk.keeper.note_problem("zai", ZAI_KEY, "It refuses the key.")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"quota.json", "quota.jsonl", "account-salt"} <= {file.name for file in files}
    for file in files:
        content = file.read_text(encoding="utf-8")
        for credential in (CLAUDE_TOKEN, RENEWED, ZAI_KEY):
            assert credential not in content
            assert credential[-12:] not in content


async def test_wishes_reach_whoever_asks(desk):
    class Asker:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def note_use(self) -> None:
            self.heard.append("used")

        def ask_soon(self) -> None:
            self.heard.append("soon")

    desk.keeper.ask_soon("zai")
    desk.keeper.note_use("zai")
    asker = Asker()
    desk.keeper.pollers = {"zai": asker}
    desk.keeper.ask_soon("zai")
    desk.keeper.note_use("zai")
    desk.keeper.ask_soon("anthropic")
    desk.keeper.note_use("anthropic")
    assert asker.heard == ["soon", "used"]
