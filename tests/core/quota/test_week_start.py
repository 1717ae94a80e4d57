"""When the user's week begins: set, learnt from Claude's reset, or the default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp_core.config import loader
from offramp_core.paths import Paths
from offramp_core.quota import state_file, week_start
from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_core.settings import Settings
from offramp_core.usage.weeks import Span

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_core.quota.week_start import OwnWeek

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
KOLKATA = ZoneInfo("Asia/Kolkata")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
RESET = datetime(2026, 11, 27, 11, tzinfo=UTC)
"""A Friday, 12:00 in Berlin."""


def plan(
    resets: datetime | None,
    *,
    backend: str = "anthropic",
    window: str = "7d",
    read_at: datetime | None = None,
) -> PlanQuota:
    moment = read_at or (resets or RESET) - timedelta(days=2)
    found = QuotaWindow(name=window, used=0.4, resets=resets, read_at=moment)
    return PlanQuota(backend=backend, account="a1", windows=(found,), read_at=moment)


class Home:
    """Files of a user, and what week they come to."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths.under(root)
        self.paths.data_dir.mkdir()
        self.paths.config_dir.mkdir()

    def learn(self, *plans: PlanQuota) -> None:
        self.paths.quota_file.write_bytes(state_file.encode(plans))

    def write(self, text: str) -> None:
        self.paths.config_file.write_text(text, encoding="utf-8")

    def week(self, zone: ZoneInfo = BERLIN, **environ: str) -> OwnWeek:
        loaded = loader.load(self.paths, environ)
        return week_start.find(loaded.settings, loaded.origins, self.paths.quota_file, zone)

    def begins(self, zone: ZoneInfo = BERLIN, **environ: str) -> tuple[int, int, int]:
        boundary = self.week(zone, **environ).boundary
        return boundary.day, boundary.hour, boundary.minute


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_week_that_nobody_set_is_claudes(home: Home) -> None:
    home.learn(plan(RESET))
    assert home.begins() == (5, 12, 0)
    assert home.week().is_learnt
    assert home.week().boundary.week_of(RESET - timedelta(days=2)).end == RESET


@pytest.mark.parametrize("text", ["week_start_day = 2", "week_start_hour = 7"])
def test_week_that_the_user_set_stays_as_set(home: Home, text: str) -> None:
    home.learn(plan(RESET))
    home.write(text)
    week = home.week()
    assert (week.boundary.day, week.boundary.hour) in {(2, 22), (4, 7)}
    assert week.origin == week_start.FROM_SETTINGS


def test_week_that_a_variable_sets_to_the_default_is_set_too(home: Home) -> None:
    home.learn(plan(RESET))
    assert home.begins(WEEK_START_DAY="4") == (4, 22, 0)


def test_week_is_the_default_until_claude_told_its_own(home: Home) -> None:
    assert home.begins() == (4, 22, 0)
    assert home.week().origin == week_start.FROM_DEFAULTS


@pytest.mark.parametrize(
    "told",
    [
        plan(None),
        plan(RESET, backend="zai"),
        plan(RESET, window="7d_opus"),
        plan(RESET, read_at=RESET - timedelta(days=30)),
        plan(datetime.max.replace(tzinfo=UTC), read_at=datetime.max.replace(tzinfo=UTC)),
        plan(datetime.min.replace(tzinfo=UTC), read_at=datetime.min.replace(tzinfo=UTC)),
    ],
    ids=["no reset", "Z.ai's", "a family's", "too far off", "end of time", "beginning of time"],
)
def test_what_is_not_claudes_week_teaches_nothing(home: Home, told: PlanQuota) -> None:
    home.learn(told)
    assert home.begins(NEW_YORK) == (4, 22, 0)


def test_of_several_accounts_the_one_in_use_counts(home: Home) -> None:
    home.learn(plan(RESET), plan(RESET + timedelta(days=2)))
    assert home.begins() == (5, 12, 0)


@pytest.mark.parametrize("jitter_s", [-59.9, -1, -0.057, 0.943, 1, 59])
def test_reset_that_jitters_stays_one_boundary(home: Home, jitter_s: float) -> None:
    home.learn(plan(RESET + timedelta(seconds=jitter_s)))
    assert home.begins() == (5, 12, 0)


def test_reset_that_moves_moves_the_boundary(home: Home) -> None:
    home.learn(plan(RESET))
    assert home.begins() == (5, 12, 0)
    home.learn(plan(RESET + timedelta(hours=7)))
    assert home.begins() == (5, 19, 0)


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        (NEW_YORK, (5, 6, 0)),
        (KOLKATA, (5, 16, 30)),
        (KATHMANDU, (5, 16, 45)),
        (ZoneInfo("Pacific/Kiritimati"), (6, 1, 0)),
    ],
)
def test_boundary_is_on_the_users_clocks(
    home: Home, zone: ZoneInfo, begins: tuple[int, int, int]
) -> None:
    home.learn(plan(RESET))
    assert home.begins(zone) == begins


def test_round_up_over_midnight_is_the_next_day(home: Home) -> None:
    home.learn(plan(datetime(2026, 11, 26, 22, 59, 59, tzinfo=UTC)))
    assert home.begins() == (5, 0, 0)


def test_boundary_outlives_the_reset(home: Home) -> None:
    home.learn(plan(RESET))
    boundary = home.week().boundary
    later = RESET + timedelta(days=17)
    week = boundary.week_of(later)
    assert week == Span(RESET + timedelta(days=14), RESET + timedelta(days=21))


def test_running_week_ends_at_the_reset_though_clocks_change_before_it(home: Home) -> None:
    reset = datetime(2026, 10, 29, 21, tzinfo=UTC)  # clocks go back on the 25th
    home.learn(plan(reset, read_at=reset - timedelta(days=6)))
    week = home.week().boundary.week_of(reset - timedelta(days=6))
    assert week.end == reset
    assert week.start == reset - timedelta(days=7, hours=1)  # wall time: an hour off Claude's


def test_next_answer_after_the_clocks_changed_moves_the_boundary_by_an_hour(home: Home) -> None:
    before = datetime(2026, 10, 22, 20, tzinfo=UTC)
    home.learn(plan(before))
    assert home.begins() == (4, 22, 0)
    assert home.week().boundary.week_of(before + timedelta(days=1)).end == before + timedelta(
        days=7, hours=1
    )
    home.learn(plan(before + timedelta(days=7)))
    assert home.begins() == (4, 21, 0)


@settings(deadline=None)
@given(
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(timedelta(days=-9), timedelta(days=9)),
    st.sampled_from([BERLIN, NEW_YORK, KOLKATA, KATHMANDU]),
)
def test_any_reset_is_a_boundary_or_none(
    tmp_path_factory: pytest.TempPathFactory, resets: datetime, ahead: timedelta, zone: ZoneInfo
) -> None:
    file = tmp_path_factory.getbasetemp() / "any-reset.json"
    try:
        read_at = resets - ahead
    except OverflowError:
        read_at = resets
    file.write_bytes(state_file.encode([plan(resets, read_at=read_at)]))
    week = week_start.find(Settings(), {}, file, zone)
    assert week.origin in {week_start.LEARNT, week_start.FROM_DEFAULTS}
    assert 0 <= week.boundary.minute < 60


def test_api_key_in_use_leaves_the_week_to_the_account_that_has_one(home: Home) -> None:
    home.learn(plan(RESET, window="requests"), plan(RESET))
    week = home.week()
    assert week.is_learnt
    assert week.boundary.week_of(RESET - timedelta(days=1)).end == RESET
