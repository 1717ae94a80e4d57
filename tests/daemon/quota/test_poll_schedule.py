"""When Z.ai is asked, by a clock of the test's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.quota.poll_schedule import EVERY_S, LONGEST_S, SOON_S, Schedule


def asked(at_s: float, *, is_told: bool = True, is_refused: bool = False) -> Schedule:
    schedule = Schedule()
    schedule.note_use()
    schedule.begin(at_s)
    schedule.end(is_told=is_told, is_refused=is_refused)
    return schedule


def test_what_is_not_used_is_not_asked_about() -> None:
    assert Schedule().due_s() is None
    assert asked(100.0).due_s() is None


def test_first_use_is_asked_about_at_once() -> None:
    schedule = Schedule()
    schedule.note_use()
    assert schedule.due_s() == float("-inf")


def test_use_is_asked_about_every_five_minutes_at_most() -> None:
    schedule = asked(100.0)
    schedule.note_use()
    schedule.note_use()
    assert schedule.due_s() == 100.0 + EVERY_S == 400.0


def test_quota_error_is_asked_about_at_once_but_not_each() -> None:
    schedule = asked(100.0)
    schedule.want_soon()
    assert schedule.due_s() == 100.0 + SOON_S
    schedule.begin(125.0)
    schedule.end(is_told=True)
    assert schedule.due_s() is None


def test_use_while_it_is_asked_counts_for_the_next_time() -> None:
    schedule = asked(100.0)
    schedule.want_soon()
    schedule.begin(130.0)
    schedule.note_use()
    schedule.end(is_told=True)
    assert schedule.due_s() == 130.0 + EVERY_S


def test_failures_make_it_wait_longer_and_longer() -> None:
    schedule = asked(0.0, is_told=False)
    waits = []
    for _ in range(8):
        schedule.note_use()
        due_s = schedule.due_s()
        assert due_s is not None
        waits.append(due_s)
        schedule.begin(0.0)
        schedule.end(is_told=False)
    assert waits == [600.0, 1200.0, 2400.0, *[LONGEST_S] * 5]
    schedule.begin(0.0)
    schedule.end(is_told=True)
    schedule.note_use()
    assert schedule.due_s() == EVERY_S


def test_failing_page_is_not_asked_at_each_quota_error() -> None:
    schedule = asked(0.0, is_told=False)
    schedule.want_soon()
    assert schedule.due_s() == 2 * SOON_S


def test_refused_key_is_asked_about_hourly_whatever_comes() -> None:
    schedule = asked(0.0, is_told=False, is_refused=True)
    schedule.want_soon()
    schedule.note_use()
    assert schedule.due_s() == LONGEST_S


def test_use_is_forgotten_where_nobody_may_ask() -> None:
    schedule = asked(0.0)
    schedule.note_use()
    schedule.want_soon()
    schedule.drop()
    assert schedule.due_s() is None


@given(st.lists(st.tuples(st.sampled_from(["use", "soon", "told", "failed"]), st.floats(0, 1e4))))
def test_it_is_never_due_sooner_than_the_short_gap(steps: list[tuple[str, float]]) -> None:
    schedule, now_s, last_s = Schedule(), 0.0, None
    for step, passed_s in steps:
        now_s += passed_s
        if step == "use":
            schedule.note_use()
        elif step == "soon":
            schedule.want_soon()
        elif (due_s := schedule.due_s()) is not None and due_s <= now_s:
            assert last_s is None or now_s - last_s >= SOON_S
            schedule.begin(now_s)
            schedule.end(is_told=step == "told")
            last_s = now_s
            assert schedule.due_s() is None
