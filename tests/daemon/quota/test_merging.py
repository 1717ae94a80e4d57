"""What is known of a plan after more was told, and whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.quota.windows import PlanQuota, QuotaWindow
from offramp_daemon.quota import merging

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SOON = NOW + timedelta(hours=3)
THURSDAY = NOW + timedelta(days=2, hours=13)
EARLIER = NOW - timedelta(hours=1)


def window(
    name: str,
    used: float | None,
    resets: datetime | None = None,
    *,
    read_at: datetime = NOW,
    status: str | None = None,
) -> QuotaWindow:
    return QuotaWindow(name=name, used=used, resets=resets, read_at=read_at, status=status)


def plan(*windows: QuotaWindow, account: str = "a1", read_at: datetime = EARLIER) -> PlanQuota:
    return PlanQuota(backend="anthropic", account=account, windows=windows, read_at=read_at)


KNOWN = plan(window("5h", 0.4, SOON, read_at=EARLIER), window("7d", 0.6, THURSDAY, read_at=EARLIER))


def names(of: PlanQuota) -> list[str]:
    return [each.name for each in of.windows]


def test_window_that_is_not_told_stays_with_its_age() -> None:
    merged = merging.with_readings(KNOWN, [window("5h", 0.41, SOON)], NOW)
    assert merged.windows == (window("5h", 0.41, SOON), KNOWN.windows[1])
    assert merged.read_at == NOW


def test_telling_ends_a_problem() -> None:
    known = msgspec.structs.replace(KNOWN, problem="It did not answer.")
    assert merging.with_readings(known, [window("5h", 0.41, SOON)], NOW).problem is None


def test_rejection_by_claim_keeps_what_was_used() -> None:
    known = plan(window("7d_opus", 0.98, THURSDAY, read_at=EARLIER))
    told = window("7d_opus", None, THURSDAY, status="rejected")
    (merged,) = merging.with_readings(known, [told], NOW).windows
    assert (merged.used, merged.status, merged.read_at) == (0.98, "rejected", NOW)


def test_figure_that_was_not_legible_grows_no_younger() -> None:
    known = plan(window("7d", 0.42, THURSDAY, read_at=EARLIER))
    told = window("7d", None, THURSDAY, status="allowed")
    (merged,) = merging.with_readings(known, [told], NOW).windows
    assert (merged.used, merged.read_at) == (0.42, EARLIER)


def test_rejection_of_a_new_week_keeps_nothing_of_the_last() -> None:
    known = plan(window("7d_opus", 0.98, EARLIER, read_at=EARLIER - timedelta(days=1)))
    told = window("7d_opus", None, THURSDAY, status="rejected")
    (merged,) = merging.with_readings(known, [told], NOW).windows
    assert merged.used is None


def test_reset_that_was_not_legible_is_the_one_before_while_the_window_goes_on() -> None:
    (merged, _) = merging.with_readings(KNOWN, [window("5h", 0.42)], NOW).windows
    assert merged.resets == SOON


@pytest.mark.parametrize("used", [0.0, 0.2])
def test_window_that_began_anew_has_no_reset_of_the_one_before(used: float) -> None:
    (merged, _) = merging.with_readings(KNOWN, [window("5h", used)], NOW).windows
    assert (merged.used, merged.resets) == (used, None)


def test_window_that_is_told_no_more_is_forgotten_a_day_after_its_end() -> None:
    for later, left in ((timedelta(hours=23), ["5h", "7d"]), (timedelta(hours=25), ["5h"])):
        told = window("5h", 0.1, read_at=THURSDAY + later)
        assert names(merging.with_readings(KNOWN, [told], THURSDAY + later)) == left


def test_windows_that_are_over_stay_while_nothing_newer_was_told() -> None:
    later = NOW + timedelta(days=30)
    (kept,) = merging.joined([KNOWN], [], later)
    assert names(kept) == ["5h", "7d"]


def test_number_of_windows_is_bounded() -> None:
    known = plan()
    for number in range(100):
        known = merging.with_readings(known, [window(f"w{number}", 0.1, SOON)], NOW)
    assert len(known.windows) == 32


def test_renewed_login_is_known_by_its_week() -> None:
    told = [window("5h", 0.41, SOON), window("7d", 0.61, THURSDAY + timedelta(seconds=30))]
    assert merging.same_account([KNOWN], told, NOW) is KNOWN


def test_renewed_login_is_known_though_five_hours_have_passed() -> None:
    known = plan(window("5h", 0.9, EARLIER), window("7d", 0.6, THURSDAY))
    told = [window("5h", 0.01, SOON), window("7d", 0.61, THURSDAY)]
    assert merging.same_account([known], told, NOW) is known


@pytest.mark.parametrize(
    "told",
    [
        [window("5h", 0.41, SOON)],  # many windows end on the hour
        [window("5h", 0.41, SOON + timedelta(hours=1)), window("7d", 0.61, THURSDAY)],
        [window("5h", 0.41, SOON), window("7d", 0.61, THURSDAY + timedelta(hours=1))],
        [window("5h", 0.41, SOON), window("7d", 0.3, THURSDAY)],
        [window("7d", 0.61)],
        [window("30d", 0.61, THURSDAY)],
        [],
    ],
)
def test_another_account_is_not_taken_for_it(told: list[QuotaWindow]) -> None:
    assert merging.same_account([KNOWN], told, NOW) is None


def test_of_two_accounts_it_is_the_one_that_had_used_as_much() -> None:
    others = [plan(window("7d", used, THURSDAY), account=f"{used}") for used in (0.1, 0.58, 0.3)]
    told = [window("7d", 0.6, THURSDAY)]
    assert merging.same_account(others, told, NOW) is others[1]


def test_accounts_kept_are_bounded_and_the_one_in_use_comes_first() -> None:
    many = [plan(account=f"{n}", read_at=NOW - timedelta(minutes=n)) for n in range(40)]
    kept = merging.latest_first(reversed(many))
    assert [each.account for each in kept] == [f"{n}" for n in range(16)]


def test_figures_of_a_clock_that_was_ahead_do_not_outlive_it() -> None:
    ahead = NOW + timedelta(days=400)
    assert merging.joined([plan(read_at=ahead)], [], NOW) == ()
    mixed = plan(window("5h", 0.4, SOON), window("7d", 0.1, read_at=ahead), read_at=NOW)
    (kept,) = merging.joined([mixed], [], NOW)
    assert names(kept) == ["5h"]


def test_look_changes_by_whole_percents_alone() -> None:
    def at(used: float, resets: datetime = SOON) -> PlanQuota:
        return plan(window("5h", used, resets))

    assert merging.looks_alike(at(0.41), at(0.4199))
    assert merging.looks_alike(at(0.41), at(0.41, SOON + timedelta(seconds=20)))
    assert not merging.looks_alike(at(0.41), at(0.42))
    assert not merging.looks_alike(at(0.41), at(0.41, SOON + timedelta(minutes=2)))
    assert not merging.looks_alike(None, at(0.41))
    assert not merging.looks_alike(at(0.41), msgspec.structs.replace(at(0.41), problem="x"))


@pytest.mark.parametrize("whole", range(101))
def test_percents_are_whole_whatever_binary_fractions_say(whole: int) -> None:
    assert merging.percent(whole / 100) == whole


MINUTES = st.integers(1, 600)
WINDOWS = st.builds(
    lambda name, used, minutes: window(name, used, SOON, read_at=NOW - timedelta(minutes=minutes)),
    st.sampled_from(["5h", "7d", "7d_opus"]),
    st.floats(0, 2),
    MINUTES,
)


@st.composite
def known_plans(draw: st.DrawFn) -> list[PlanQuota]:
    found = {}
    for account in draw(st.lists(st.sampled_from("abc"), unique=True)):
        windows = {each.name: each for each in draw(st.lists(WINDOWS, max_size=3))}
        if windows:
            latest = max(each.read_at for each in windows.values())
            ordered = tuple(windows[name] for name in sorted(windows))
            found[account] = plan(*ordered, account=account, read_at=latest)
    return list(found.values())


@given(known_plans(), known_plans())
def test_joining_keeps_of_each_window_what_was_told_last(
    ours: list[PlanQuota], theirs: list[PlanQuota]
) -> None:
    joined = merging.joined(ours, theirs, NOW)
    latest: dict[tuple[str, str], datetime] = {}
    for each in (*ours, *theirs):
        for one in each.windows:
            key = each.account, one.name
            latest[key] = max(latest.get(key, one.read_at), one.read_at)
    assert {
        (each.account, one.name): one.read_at for each in joined for one in each.windows
    } == latest
    assert merging.joined(joined, theirs, NOW) == joined
    assert merging.joined(joined, (), NOW) == joined
    moments = [each.read_at for each in joined]
    assert moments == sorted(moments, reverse=True)
