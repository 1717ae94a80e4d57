"""When a run of requests that Claude had to serve is a trouble, and which requests then skip."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watch_desk import DETAIL, HAIKU, NINE, SONNET, Desk, about

from offramp_core.control import api

SKIPPED = (api.REFUSED, api.UNKNOWN_MODEL, api.EMPTY_ANSWERS)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def keep(desk: Desk, rule: str, session: str = "s1", times: int = 1, agent: str = "") -> None:
    for _ in range(times):
        desk.watch.note_kept(about(session, agent=agent), rule)


@pytest.mark.parametrize("cause", SKIPPED)
def test_refusals_in_two_conversations_skip_the_model_for_all(desk, cause):
    assert desk.ask("s1", cause=cause) is None
    assert desk.watch.troubles() == ()
    assert desk.ask("s2", cause=cause) is None
    assert [(each.cause, each.detail) for each in desk.watch.troubles()] == [(cause, DETAIL)]
    skip = desk.ask("s3", cause=cause)
    assert skip is not None
    assert (skip.cause, skip.detail) == (cause, DETAIL)
    assert desk.announced == [(cause, False)]


@pytest.mark.parametrize("cause", SKIPPED)
def test_three_in_a_row_in_one_conversation_skip_only_for_that_one(desk, cause):
    for _ in range(3):
        assert desk.ask("s1", cause=cause) is None
    assert not desk.is_sent("s1")
    assert desk.is_sent("s2")
    (trouble,) = desk.watch.troubles()
    assert trouble.is_in_one_conversation
    assert trouble.next_try == NINE + timedelta(minutes=15)


def test_conversation_that_is_always_refused_is_skipped_though_others_are_served(desk):
    for _ in range(3):
        desk.ask("odd")
        desk.ask("fine", cause=None)
    assert not desk.is_sent("odd")
    assert desk.is_sent("fine")
    desk.ask("fine", cause=None)
    assert not desk.is_sent("odd")


def test_one_odd_request_now_and_then_is_no_trouble(desk):
    for _ in range(10):
        desk.ask("s1")
        desk.ask("s2", cause=None)
        desk.ask("s1", cause=None)
    assert desk.is_sent("s1")
    assert desk.watch.troubles() == ()
    assert desk.changes == []


@pytest.mark.parametrize("rule", [None, "context_size"])
def test_requests_that_are_served_write_nothing_for_one_that_was_not(desk, rule):
    desk.ask("odd") if rule is None else keep(desk, rule, "odd")
    desk.ask("fine", cause=None)
    writes = desk.writes
    for _ in range(10):
        desk.ask("fine", cause=None)
        desk.watch.note_delegated(about("fine"))
    assert desk.writes - writes <= (0 if rule is None else 1)


def test_two_refusals_in_one_conversation_are_not_enough(desk):
    desk.ask("s1")
    desk.ask("s1")
    assert desk.is_sent("s1")
    assert desk.watch.troubles() == ()


def test_another_model_is_sent_all_the_same(desk):
    for session in ("s1", "s2", "s3"):
        desk.ask(session)
    assert desk.is_sent("s1", HAIKU)


def test_requests_without_a_conversation_skip_after_three_in_a_row(desk):
    for _ in range(2):
        desk.ask("")
    assert desk.is_sent("")
    desk.ask("")
    assert not desk.is_sent("")
    assert desk.is_sent("s1")
    (trouble,) = desk.watch.troubles()
    assert not trouble.is_in_one_conversation


def test_requests_without_a_conversation_are_no_second_conversation(desk):
    desk.ask("s1")
    desk.ask("")
    assert desk.is_sent("s2")


def test_requests_without_a_conversation_are_told_apart_by_what_they_are_like(desk):
    for _ in range(3):
        desk.ask("?odd tools")
    assert not desk.is_sent("?odd tools")
    assert desk.is_sent("?others")
    desk.ask("?others")
    assert desk.is_sent("?others")


def test_refusals_of_ever_other_requests_without_a_conversation_are_reported(desk):
    for number in range(10):
        assert desk.watch.troubles() == ()
        desk.ask(f"?{number}")
    (trouble,) = desk.watch.troubles()
    assert (trouble.requests, trouble.is_in_one_conversation) == (10, False)
    assert desk.is_sent("?10")


def test_twenty_refusals_are_counted_and_all_but_three_skip(desk):
    sent = [desk.ask("") is None for _ in range(20)]
    assert sent == [True] * 3 + [False] * 17
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.requests, trouble.since) == (api.REFUSED, 20, NINE)
    (count,) = desk.watch.stand_ins()
    assert (count.cause, count.requests, count.since) == (api.REFUSED, 20, NINE)


def test_one_request_in_fifteen_minutes_is_a_probe_and_the_others_skip_meanwhile(desk):
    for _ in range(3):
        desk.ask("s1")
        desk.ask("s2")
    desk.later(minutes=14, seconds=59)
    assert not desk.is_sent()
    desk.later(seconds=1)
    assert desk.is_sent("s3")
    desk.watch.note_sent(about("s3"))
    assert not desk.is_sent("s1")
    desk.watch.note_failed(about("s3"), api.REFUSED, DETAIL)
    assert not desk.is_sent("s3")
    desk.later(minutes=15)
    assert desk.is_sent("s1")


@pytest.mark.parametrize("has_begun_only", [True, False])
def test_success_of_the_probe_ends_skipping_for_all(desk, has_begun_only):
    for session in ("s1", "s1", "s1", "s2"):
        desk.ask(session)
    desk.later(minutes=15)
    desk.watch.note_sent(about("s2"))
    assert not desk.is_sent("s1")
    if has_begun_only:
        desk.watch.note_begun(about("s2"))
    else:
        desk.watch.note_served(about("s2"))
    assert desk.is_sent("s1")
    assert desk.is_sent("s2")
    assert desk.watch.troubles() == ()
    assert desk.announced == [(api.REFUSED, False), (api.REFUSED, True)]
    desk.ask("s3")
    assert desk.is_sent("s1")


def test_success_that_was_asked_for_though_others_skip_ends_it_too(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    desk.ask("s3", cause=None, may_skip=False)
    assert desk.is_sent("s1")


def test_answer_that_begins_says_nothing_against_empty_answers(desk):
    for session in ("s1", "s2"):
        desk.ask(session, cause=api.EMPTY_ANSWERS)
    desk.later(minutes=15)
    desk.watch.note_sent(about("s1"))
    desk.watch.note_begun(about("s1"))
    assert not desk.is_sent("s2")
    desk.watch.note_served(about("s1"))
    assert desk.is_sent("s2")


def test_probe_whose_client_left_is_replaced_at_once(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    desk.later(minutes=15)
    desk.watch.note_sent(about("s1"))
    assert not desk.is_sent("s2")
    desk.watch.note_undecided(about("s1"))
    assert desk.is_sent("s2")


def test_probe_that_is_never_heard_of_again_is_replaced_in_time(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    desk.later(minutes=15)
    desk.watch.note_sent(about("s1"))
    desk.later(minutes=15)
    assert desk.is_sent("s2")


def test_client_of_another_conversation_that_leaves_gives_no_probe_back(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    desk.watch.note_undecided(about("s3"))
    assert not desk.is_sent("s3")


def test_clock_that_was_set_back_keeps_nobody_waiting(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    desk.later(hours=-5)
    assert desk.is_sent("s1")


def test_changed_settings_end_skipping(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    assert desk.is_sent("s1", mark="m2")
    desk.watch.note_sent(about("s1", mark="m2"))
    assert desk.watch.troubles() == ()
    assert desk.announced == [(api.REFUSED, False), (api.REFUSED, True)]


def test_settings_that_changed_without_a_request_end_the_trouble(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    desk.watch.settle(lambda run: run.mark == "m2")
    assert desk.watch.troubles() == ()
    assert desk.is_sent("s1")


def test_refusal_under_changed_settings_begins_another_run(desk):
    desk.ask("s1")
    desk.ask("s2", mark="m2")
    assert desk.is_sent("s1", mark="m2")
    assert desk.watch.troubles() == ()


def test_conversation_that_stays_on_claude_for_its_refusal_is_reported(desk):
    """While its prompt cache is warm on Claude, it does not ask the backend again."""
    desk.ask("s1")
    for _ in range(4):
        assert desk.watch.troubles() == ()
        desk.watch.note_stayed(about("s1"))
    (trouble,) = desk.watch.troubles()
    assert (trouble.requests, trouble.is_in_one_conversation) == (5, True)
    assert trouble.next_try is None
    assert desk.is_sent("s1")


def test_conversation_that_is_on_claude_for_other_reasons_counts_for_nothing(desk):
    desk.ask("s1")
    for _ in range(10):
        desk.watch.note_stayed(about("s2"))
    assert desk.watch.troubles() == ()


def test_trouble_of_a_conversation_is_over_once_that_is_silent_for_long(desk):
    for _ in range(3):
        desk.ask("s1")
    desk.later(minutes=61)
    desk.watch.settle()
    assert desk.watch.troubles() == ()
    assert desk.announced[-1] == (api.REFUSED, True)
    desk.ask("s2")
    assert not desk.is_sent("s3")


def test_trouble_of_all_stays_over_night_and_is_forgotten_in_a_week(desk):
    for session in ("s1", "s2"):
        desk.ask(session)
    desk.later(hours=12)
    desk.watch.settle()
    assert len(desk.watch.troubles()) == 1
    desk.later(days=7)
    desk.watch.settle()
    assert desk.watch.troubles() == ()


@pytest.mark.parametrize("cause", [api.BUSY, api.FAILING, api.OVERLOADED])
def test_passing_causes_are_reported_late_and_never_skipped(desk, cause):
    for number in range(9):
        desk.ask(f"s{number}", cause=cause)
    assert desk.watch.troubles() == ()
    desk.ask("s9", cause=cause)
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.requests, trouble.next_try) == (cause, 10, None)
    assert desk.is_sent("s1")
    desk.ask("s1", cause=None)
    assert desk.watch.troubles() == ()


def test_conversation_that_always_fails_is_reported_though_others_are_served(desk):
    """The breaker may bar only that conversation, which its status does not show."""
    for _ in range(3):
        assert desk.watch.troubles() == ()
        desk.ask("odd", cause=api.FAILING)
        desk.ask("fine", cause=None)
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.requests, trouble.is_in_one_conversation) == (
        api.FAILING,
        3,
        True,
    )
    assert desk.is_sent("odd")
    desk.ask("odd", cause=None)
    assert desk.watch.troubles() == ()


@pytest.mark.parametrize("cause", [api.BUSY, api.OVERLOADED])
def test_conversation_that_meets_a_full_service_now_and_then_is_no_trouble(desk, cause):
    for _ in range(9):
        desk.ask("s1", cause=cause)
        desk.ask("s2", cause=None)
    assert desk.watch.troubles() == ()


def test_what_the_breaker_shows_is_not_shown_twice(desk):
    desk.is_bypassed = True
    for _ in range(30):
        desk.ask(cause=api.FAILING)
    assert desk.watch.troubles() == ()
    assert desk.changes == []
    desk.is_bypassed = False
    desk.watch.settle()
    assert desk.announced == [(api.FAILING, False)]


def test_each_conversation_being_too_long_is_reported_of_all(desk):
    """A gateway with a small limit refuses the first request of each conversation."""
    for number in range(9):
        desk.ask(f"s{number}", cause=api.TOO_LONG)
    assert desk.watch.troubles() == ()
    desk.ask("s9", cause=api.TOO_LONG)
    (trouble,) = desk.watch.troubles()
    assert (trouble.requests, trouble.is_in_one_conversation) == (10, False)
    assert desk.is_sent("s10")
    desk.ask("s10", cause=None)
    assert desk.watch.troubles() == ()


def test_stays_count_where_each_conversation_is_too_long(desk):
    for session in ("s1", "s2", "s3"):
        desk.ask(session, cause=api.TOO_LONG)
        for _ in range(3):
            desk.watch.note_stayed(about(session))
    (trouble,) = desk.watch.troubles()
    assert (trouble.requests, trouble.is_in_one_conversation) == (12, False)


@pytest.mark.parametrize("cause", [api.ACCOUNT, api.KEY_REFUSED, api.LIMIT, api.FAILING])
def test_request_that_stays_on_claude_counts_for_what_sent_its_conversation_there(desk, cause):
    desk.watch.note_stood_in(about("s1"), cause)
    for session in ("s1", "s1", "s2"):
        desk.watch.note_stayed(about(session))
    assert [(each.cause, each.requests) for each in desk.watch.stand_ins()] == [(cause, 3)]


def test_conversation_that_is_too_long_is_reported_and_bars_no_other(desk):
    for session in ("s1", "s2", "s3"):
        desk.ask(session, cause=api.TOO_LONG)
    assert desk.watch.troubles() == ()
    for _ in range(2):
        desk.ask("s1", cause=api.TOO_LONG)
        desk.ask("s2", cause=None)
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.requests) == (api.TOO_LONG, 3)
    assert trouble.is_in_one_conversation
    assert trouble.next_try is None
    assert desk.is_sent("s1")  # it may be shorter by now
    desk.watch.note_begun(about("s1"))
    assert desk.watch.troubles() == ()


@pytest.mark.parametrize("cause", [api.KEY_REFUSED, api.LIMIT, api.ACCOUNT, api.UNREACHABLE])
def test_what_bars_the_backend_at_once_is_only_counted(desk, cause):
    for _ in range(30):
        desk.ask(cause=cause)
    assert desk.watch.troubles() == ()
    assert desk.is_sent()
    assert [(each.cause, each.requests) for each in desk.watch.stand_ins()] == [(cause, 30)]


def test_long_conversation_that_stays_on_claude_is_reported_once(desk):
    keep(desk, "context_size", times=2)
    assert desk.watch.troubles() == ()
    keep(desk, "context_size", times=20)
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.rule, trouble.requests) == (api.KEPT, "context_size", 22)
    assert trouble.is_in_one_conversation
    assert desk.announced == [(api.KEPT, False)]


def test_agents_that_are_delegated_do_not_hide_the_long_conversation_of_their_session(desk):
    for _ in range(3):
        keep(desk, "context_size")
        desk.watch.note_delegated(about("s1", agent="a7"))
    assert len(desk.watch.troubles()) == 1
    desk.watch.note_delegated(about("s1"))
    assert desk.watch.troubles() == ()


@pytest.mark.parametrize("rule", ["images", "server_tools", "documents", "a_rule_of_tomorrow"])
def test_rule_that_keeps_every_conversation_is_reported(desk, rule):
    keep(desk, rule, "s1", times=5)
    keep(desk, rule, "s2", times=4)
    assert desk.watch.troubles() == ()
    keep(desk, rule, "s2")
    (trouble,) = desk.watch.troubles()
    assert (trouble.cause, trouble.rule, trouble.requests) == (api.KEPT, rule, 10)
    desk.watch.note_delegated(about("s3"))
    assert desk.watch.troubles() == ()


def test_kept_requests_of_one_conversation_are_reported_when_they_are_many(desk):
    keep(desk, "images", times=19)
    assert desk.watch.troubles() == ()
    keep(desk, "images")
    assert len(desk.watch.troubles()) == 1


@pytest.mark.parametrize("rule", ["quota_probe", "safety_check"])
def test_rules_for_single_requests_are_never_reported(desk, rule):
    for number in range(50):
        keep(desk, rule, f"s{number}")
    assert desk.watch.troubles() == ()


def test_troubles_come_with_the_most_requests_first(desk):
    for session in ("s1", "s2"):
        desk.ask(session, HAIKU)
    for number in range(9):
        desk.ask(f"s{number}")
    assert [each.model for each in desk.watch.troubles()] == [SONNET, HAIKU]


def test_models_and_conversations_without_end_are_bounded(desk):
    for number in range(1000):
        desk.ask(f"s{number}", f"model-{number}", cause=api.REFUSED)
        desk.ask(f"s{number}", SONNET, cause=api.BUSY)
    state = desk.watch.state()
    assert len(state.runs) <= 200
    assert len(state.counts) <= 200
    assert all(len(run.rows) <= 64 for run in state.runs)
    assert len(state.ended) <= 200


def test_follower_that_fails_costs_no_request(desk):
    heard = []

    def fail(_change: object) -> None:
        raise RuntimeError("broken")

    desk.watch.follow(fail)
    desk.watch.follow(heard.append)
    for session in ("s1", "s2"):
        desk.ask(session)
    assert len(heard) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["", "s1", "s2", "s3"]),
        st.sampled_from([None, None, *SKIPPED, api.BUSY]),
        st.sampled_from([0, 1, 16]),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(steps=STEPS)
def test_no_request_skips_without_refusals_in_two_conversations_or_three_in_its_own(steps):
    """Checked against plain lists of what happened since the last success of each.

    Nor does one skip without a trouble that says so.
    """
    desk = Desk()
    in_own: dict[tuple[str, str], int] = {}
    since_success: dict[str, set[str]] = {}
    for session, cause, minutes in steps:
        desk.later(minutes=minutes)
        skip = desk.ask(session, cause=cause)
        if skip is not None:
            others = since_success.get(skip.cause, set()) - {""}
            assert len(others) >= 2 or in_own.get((session, skip.cause), 0) >= 3
            assert skip.cause in {trouble.cause for trouble in desk.watch.troubles()}
        elif cause is None:
            since_success.clear()
            in_own = {key: count for key, count in in_own.items() if key[0] != session}
        else:
            in_own[session, cause] = in_own.get((session, cause), 0) + 1
            since_success.setdefault(cause, set()).add(session)


@settings(max_examples=100)
@given(steps=STEPS)
def test_a_backend_that_serves_again_gets_all_requests_after_its_first_probe(steps):
    desk = Desk()
    for session, cause, minutes in steps:
        desk.later(minutes=minutes)
        desk.ask(session, cause=cause)
    for session in ("", "s1", "s2", "s3"):
        desk.later(minutes=15)
        assert desk.ask(session, cause=None) is None
        assert desk.is_sent(session)
    assert all(desk.is_sent(session) for session in ("", "s1", "s2", "s3"))
