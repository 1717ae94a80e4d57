"""What bars a backend or a model of it, for how long, and what lifts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from offramp_core.control.api import (
    ACCOUNT,
    BUSY,
    FAILING,
    KEY_REFUSED,
    LIMIT,
    OVERLOADED,
    UNREACHABLE,
)
from offramp_core.settings import Secret, default_backends
from offramp_daemon.resilience.breaker_state import (
    MOST_FAMILIES,
    MOST_SENDERS,
    StandingChange,
)
from offramp_daemon.resilience.circuit_breaker import PROBE_LOST_S, CircuitBreaker

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
ANTHROPIC, ZAI = default_backends()
SONNET, HAIKU = "claude-sonnet-4-5", "GLM-4.5-Air"


class World:
    """Both clocks, chance in the middle, and what followers were told."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.told: list[StandingChange] = []
        self.breaker = CircuitBreaker(
            clock=lambda: 50.0 + self.passed_s,
            now=lambda: NOW + timedelta(seconds=self.passed_s),
            chance=lambda: 0.5,
        )
        self.breaker.follow(self.told.append)

    def fail(self, kind, model=SONNET, backend=ZAI, times=1, **how):
        for _ in range(times):
            self.breaker.note_failure(self.breaker.ask(backend, model), kind, **how)

    def may(self, model=SONNET, backend=ZAI) -> bool:
        return self.breaker.is_open(backend, model)

    def causes(self) -> list[str | None]:
        return [change.standing.cause if change.standing else None for change in self.told]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def breaker(world) -> CircuitBreaker:
    return world.breaker


def test_what_never_failed_is_open_and_leaves_nothing_behind(world, breaker):
    permit = breaker.ask(ZAI, SONNET)
    breaker.note_success(permit)
    assert (permit.is_open, permit.is_probe, permit.cause) == (True, False, None)
    assert breaker.standing(ZAI) is None
    assert world.told == []


@pytest.mark.parametrize("kind", [LIMIT, KEY_REFUSED, ACCOUNT, UNREACHABLE])
def test_what_speaks_of_the_backend_bars_all_its_models_at_once(world, kind):
    world.fail(kind)
    assert not world.may(SONNET)
    assert not world.may(HAIKU)
    assert world.may(SONNET, ANTHROPIC)


@pytest.mark.parametrize("kind", [OVERLOADED, FAILING, "a kind of a later day"])
def test_the_third_failure_in_a_row_bars_that_model_alone(world, kind):
    world.fail(kind, times=2)
    assert world.may(SONNET)
    world.fail(kind)
    assert not world.may(SONNET.upper())
    assert world.may(HAIKU)


def test_overload_and_own_errors_count_in_one_row(world):
    world.fail(OVERLOADED)
    world.fail(FAILING)
    world.fail(OVERLOADED)
    assert not world.may()


def test_a_whole_answer_ends_the_row(world, breaker):
    world.fail(FAILING, times=2)
    breaker.note_success(breaker.ask(ZAI, SONNET))
    world.fail(FAILING, times=2)
    assert world.may()


def test_overload_of_the_whole_backend_bars_all_models_after_a_row(world, breaker):
    world.fail(OVERLOADED, times=2, scope="backend")
    breaker.note_success(breaker.ask(ZAI, HAIKU))
    world.fail(OVERLOADED, times=2, scope="backend")
    assert world.may()
    world.fail(OVERLOADED, HAIKU, scope="backend")
    assert not world.may()


def test_an_answer_that_was_under_way_when_the_bar_was_set_does_not_lift_it(world, breaker):
    reset = NOW + timedelta(hours=2)
    under_way = breaker.ask(ZAI, SONNET)
    breaker.note_spent(ZAI, reset)
    breaker.note_success(under_way)
    assert not world.may()


def test_answers_that_begin_and_break_off_bar_too(world, breaker):
    for _ in range(3):
        permit = breaker.ask(ZAI, SONNET)
        breaker.note_begun(permit)
        breaker.note_failure(permit, FAILING)
    assert not world.may()


def test_busy_says_nothing_here_but_frees_the_probe(world, breaker):
    world.fail(BUSY, times=9)
    assert world.may()
    world.fail(UNREACHABLE)
    world.passed_s += 6
    breaker.note_failure(breaker.ask(ZAI, SONNET), BUSY)
    assert breaker.ask(ZAI, SONNET).is_probe


def test_a_model_that_is_not_in_the_plan_does_not_stop_the_others(world):
    world.fail(ACCOUNT, scope="family")
    assert not world.may(SONNET)
    assert world.may(HAIKU)


def test_a_limit_of_one_family_does_not_stop_the_others(world):
    world.fail(LIMIT, "claude-opus-4-6", ANTHROPIC, scope="family")
    assert not world.may("claude-opus-4-6", ANTHROPIC)
    assert world.may(SONNET, ANTHROPIC)


def test_one_request_alone_goes_as_a_probe_and_its_answer_lifts_the_bar(world, breaker):
    world.fail(OVERLOADED, times=3)
    assert not breaker.ask(ZAI, SONNET).is_open
    world.passed_s += 5
    probe = breaker.ask(ZAI, SONNET)
    assert (probe.is_open, probe.is_probe, probe.cause) == (True, True, OVERLOADED)
    waiting = breaker.ask(ZAI, SONNET)
    assert (waiting.is_open, waiting.cause, waiting.until) == (False, OVERLOADED, None)
    breaker.note_begun(probe)
    assert world.may()
    assert world.causes() == [OVERLOADED, None]


def test_a_failed_probe_doubles_the_time_up_to_five_minutes(world, breaker):
    world.fail(OVERLOADED, times=3)
    for delay_s in (5, 10, 20, 40, 80, 160, 300, 300):
        world.passed_s += delay_s - 0.5
        assert not breaker.ask(ZAI, SONNET).is_open
        world.passed_s += 0.5
        breaker.note_failure(breaker.ask(ZAI, SONNET), FAILING)
    assert world.causes() == [OVERLOADED, FAILING]


def test_after_a_whole_answer_the_time_is_short_again(world, breaker):
    world.fail(OVERLOADED, times=3)
    world.passed_s += 5
    world.fail(OVERLOADED)
    world.passed_s += 10
    breaker.note_success(breaker.ask(ZAI, SONNET))
    world.fail(OVERLOADED, times=3)
    world.passed_s += 5
    assert breaker.ask(ZAI, SONNET).is_probe


def test_a_probe_that_begins_and_breaks_off_bars_again_for_longer(world, breaker):
    world.fail(OVERLOADED, times=3)
    world.passed_s += 5
    probe = breaker.ask(ZAI, SONNET)
    breaker.note_begun(probe)
    breaker.note_failure(probe, FAILING)
    world.passed_s += 9
    assert not breaker.ask(ZAI, SONNET).is_open
    world.passed_s += 1
    assert breaker.ask(ZAI, SONNET).is_probe


def test_a_probe_whose_client_left_lets_the_next_request_try(world, breaker):
    world.fail(OVERLOADED, times=3)
    world.passed_s += 5
    breaker.note_abandoned(breaker.ask(ZAI, SONNET))
    assert breaker.ask(ZAI, SONNET).is_probe


def test_a_probe_that_is_never_heard_of_is_replaced(world, breaker):
    world.fail(OVERLOADED, times=3)
    world.passed_s += 5
    lost = breaker.ask(ZAI, SONNET)
    world.passed_s += PROBE_LOST_S - 1
    assert not breaker.ask(ZAI, SONNET).is_open
    world.passed_s += 1
    assert breaker.ask(ZAI, SONNET).is_probe
    breaker.note_abandoned(lost)
    assert not breaker.ask(ZAI, SONNET).is_open


def test_what_was_sent_before_the_bar_neither_lifts_nor_lengthens_it(world, breaker):
    early = [breaker.ask(ZAI, SONNET) for _ in range(6)]
    for permit in early[:5]:
        breaker.note_failure(permit, OVERLOADED)
    breaker.note_success(early[5])
    assert not world.may()
    world.passed_s += 5
    assert breaker.ask(ZAI, SONNET).is_probe


def test_an_answer_to_what_was_sent_in_spite_of_the_bar_lifts_it(world, breaker):
    world.fail(LIMIT, until=NOW + timedelta(hours=3))
    forced = breaker.ask(ZAI, SONNET)
    assert not forced.is_open
    breaker.note_begun(forced)
    assert world.may()


def test_failures_in_spite_of_the_bar_do_not_lengthen_it(world, breaker):
    world.fail(UNREACHABLE)
    world.fail(UNREACHABLE, times=20)
    world.passed_s += 5
    assert breaker.ask(ZAI, SONNET).is_probe


def test_a_spent_quota_bars_until_its_reset(world, breaker):
    reset = NOW + timedelta(minutes=40)
    world.fail(LIMIT, until=reset)
    permit = breaker.ask(ZAI, HAIKU)
    assert (permit.is_open, permit.cause, permit.until) == (False, LIMIT, reset)
    world.passed_s += 40 * 60
    assert breaker.ask(ZAI, HAIKU).is_probe


def test_without_a_reset_a_spent_quota_is_tried_after_a_quarter_of_an_hour(world, breaker):
    world.fail(LIMIT)
    world.passed_s += 899
    assert not breaker.ask(ZAI, SONNET).is_open
    world.passed_s += 1
    assert breaker.ask(ZAI, SONNET).is_probe


def test_a_reset_that_becomes_known_later_is_taken(world, breaker):
    early = [breaker.ask(ZAI, SONNET) for _ in range(2)]
    reset = NOW + timedelta(minutes=50)
    breaker.note_failure(early[0], LIMIT)
    breaker.note_failure(early[1], LIMIT, until=reset)
    assert breaker.ask(ZAI, SONNET).until == reset


def test_a_long_limit_is_tried_each_hour_and_keeps_its_reset(world, breaker):
    reset = NOW + timedelta(days=3)
    world.fail(LIMIT, until=reset)
    for _ in range(3):
        world.passed_s += 3600
        probe = breaker.ask(ZAI, SONNET)
        assert probe.is_probe
        breaker.note_failure(probe, LIMIT, until=reset)
        assert breaker.ask(ZAI, SONNET).until == reset
    assert world.causes() == [LIMIT]


def test_a_quota_known_to_be_spent_bars_before_anything_fails(world, breaker):
    reset = NOW + timedelta(hours=1)
    for _ in range(3):
        breaker.note_spent(ZAI, reset)
    assert breaker.ask(ZAI, SONNET).until == reset
    later = reset + timedelta(hours=1)
    breaker.note_spent(ZAI, later)
    assert breaker.ask(ZAI, SONNET).until == later
    breaker.note_quota_left(ZAI)
    assert world.may()
    assert world.causes() == [LIMIT, None]


def test_news_of_a_reset_that_is_past_bars_nothing(world, breaker):
    breaker.note_spent(ZAI, NOW)
    assert world.may()


def test_a_quota_known_to_be_spent_for_one_model_lets_others_pass(world, breaker):
    breaker.note_spent(ANTHROPIC, NOW + timedelta(hours=1), model="claude-opus-4-6")
    assert not world.may("claude-opus-4-6", ANTHROPIC)
    assert world.may(SONNET, ANTHROPIC)
    breaker.note_quota_left(ANTHROPIC, model=SONNET)
    assert not world.may("claude-opus-4-6", ANTHROPIC)
    breaker.note_quota_left(ANTHROPIC, model="Claude-Opus-4-6")
    assert world.may("claude-opus-4-6", ANTHROPIC)


@pytest.mark.parametrize("kind", [KEY_REFUSED, ACCOUNT])
def test_a_refused_key_is_tried_every_five_minutes_without_an_end(world, breaker, kind):
    world.fail(kind)
    for _ in range(3):
        assert breaker.standing(ZAI).until is None
        world.passed_s += 299
        assert not breaker.ask(ZAI, SONNET).is_open
        world.passed_s += 1
        breaker.note_failure(breaker.ask(ZAI, SONNET), kind)


@pytest.mark.parametrize(
    "change", [{"key": Secret("sk-another-key-0123456789")}, {"base_url": "http://127.0.0.1:9"}]
)
def test_another_key_or_address_begins_anew(world, breaker, change):
    old = breaker.ask(ZAI, SONNET)
    world.fail(KEY_REFUSED)
    anew = msgspec.structs.replace(ZAI, **change)
    assert breaker.ask(anew, SONNET).is_open
    breaker.note_failure(old, KEY_REFUSED)
    assert breaker.standing(anew) is None
    assert breaker.standing(ZAI) is None
    assert world.causes() == [KEY_REFUSED, None]


def test_settings_read_again_without_a_change_keep_what_is_known(world, breaker):
    world.fail(KEY_REFUSED)
    same = msgspec.structs.replace(ZAI)
    assert same is not ZAI
    assert not breaker.ask(same, SONNET).is_open


def test_a_network_that_is_down_is_tried_after_5_then_up_to_60_seconds(world, breaker):
    world.fail(UNREACHABLE)
    for delay_s in (5, 10, 20, 40, 60, 60):
        world.passed_s += delay_s - 0.5
        assert not breaker.ask(ZAI, SONNET).is_open
        world.passed_s += 0.5
        breaker.note_failure(breaker.ask(ZAI, HAIKU), UNREACHABLE)


def test_a_network_that_has_changed_opens_at_once_with_short_times(world, breaker):
    world.fail(UNREACHABLE)
    world.passed_s += 5
    world.fail(UNREACHABLE)
    breaker.note_network_changed()
    assert world.may()
    world.fail(UNREACHABLE)
    world.passed_s += 5
    assert breaker.ask(ZAI, SONNET).is_probe


def test_a_network_that_has_changed_opens_nothing_else(world, breaker):
    world.fail(LIMIT)
    world.fail(OVERLOADED, HAIKU, times=3)
    breaker.note_network_changed()
    assert not world.may()
    assert not world.may(HAIKU)


@pytest.mark.parametrize("is_at_fault", [True, False])
def test_one_backend_within_reach_again_has_the_others_tried_at_once(world, breaker, is_at_fault):
    for _ in range(4):
        world.fail(UNREACHABLE)
        world.fail(UNREACHABLE, backend=ANTHROPIC)
        world.passed_s += 60
    world.fail(UNREACHABLE)
    world.fail(UNREACHABLE, backend=ANTHROPIC)
    forced = breaker.ask(ANTHROPIC, SONNET)
    if is_at_fault:
        breaker.note_abandoned(forced, was_reached=True)
    else:
        breaker.note_begun(forced)
    assert breaker.ask(ZAI, SONNET).is_probe
    assert not breaker.ask(ZAI, HAIKU).is_open


def test_answers_of_a_backend_that_was_never_out_say_nothing_of_another(world, breaker):
    world.fail(UNREACHABLE)
    breaker.note_success(breaker.ask(ANTHROPIC, SONNET))
    assert not breaker.ask(ZAI, SONNET).is_open


def test_an_answer_to_a_request_at_fault_shows_that_the_network_leads_there(world, breaker):
    world.fail(UNREACHABLE)
    world.passed_s += 5
    breaker.note_abandoned(breaker.ask(ZAI, SONNET), was_reached=True)
    assert world.may()


def test_a_probe_that_fails_otherwise_bars_for_that_reason_at_once(world, breaker):
    world.fail(LIMIT)
    world.passed_s += 900
    probe = breaker.ask(ZAI, SONNET)
    breaker.note_failure(probe, OVERLOADED)
    assert breaker.ask(ZAI, SONNET).cause == OVERLOADED
    haiku = breaker.ask(ZAI, HAIKU)
    assert (haiku.is_probe, haiku.cause) == (True, LIMIT)
    breaker.note_begun(haiku)
    world.passed_s += 5
    assert breaker.ask(ZAI, SONNET).is_probe


def test_the_standing_counts_what_went_around_and_keeps_its_beginning(world, breaker):
    world.fail(OVERLOADED, times=3)
    for _ in range(4):
        breaker.count_bypassed(ZAI)
    world.passed_s += 3
    world.fail(LIMIT, until=NOW + timedelta(hours=2))
    standing = breaker.standing(ZAI)
    assert (standing.cause, standing.since, standing.requests) == (LIMIT, NOW, 4)
    assert (standing.until, standing.family) == (NOW + timedelta(hours=2), None)
    assert world.causes() == [OVERLOADED, LIMIT]


def test_the_standing_names_the_model_that_is_alone_concerned(world, breaker):
    world.fail(OVERLOADED, HAIKU, times=3)
    assert breaker.standing(ZAI).family == HAIKU.lower()


def test_a_standing_that_nobody_tries_is_over_a_minute_after_its_time(world, breaker):
    world.fail(OVERLOADED, times=3)
    world.passed_s += 5 + 59
    breaker.settle()
    assert breaker.standing(ZAI) is not None
    world.passed_s += 1
    assert breaker.standing(ZAI) is None
    breaker.settle()
    assert world.causes() == [OVERLOADED, None]


def test_after_an_idle_time_there_is_still_a_single_probe(world, breaker):
    world.fail(OVERLOADED, times=3)
    world.passed_s += 3600
    probe = breaker.ask(ZAI, SONNET)
    assert probe.is_probe
    assert not breaker.ask(ZAI, SONNET).is_open
    assert breaker.standing(ZAI) is None
    breaker.note_failure(probe, OVERLOADED)
    standing = breaker.standing(ZAI)
    assert (standing.since, standing.requests) == (NOW + timedelta(seconds=3600), 0)
    assert world.causes() == [OVERLOADED, None, OVERLOADED]


def test_asking_without_a_probe_changes_nothing(world, breaker):
    world.fail(OVERLOADED, times=3)
    world.passed_s += 5
    assert not breaker.is_open(ZAI, SONNET)
    assert breaker.ask(ZAI, SONNET).is_probe


def test_any_number_of_model_names_takes_bounded_memory(world, breaker):
    world.fail(OVERLOADED, "the first", times=3)
    for number in range(MOST_FAMILIES):
        world.fail(OVERLOADED, f"{number:04}" + "x" * 10_000, times=3)
    assert world.may("the first")
    assert len(breaker.families(ZAI)) == MOST_FAMILIES
    assert max(map(len, breaker.families(ZAI))) <= 200


def test_a_request_without_a_model_is_a_family_too(world):
    world.fail(OVERLOADED, None, times=3)
    assert not world.may(None)
    assert world.may(SONNET)


def suspect(world, *senders, model=SONNET):
    """Fail once for each of these senders, in a way that a request can bring about by itself."""
    for sender in senders:
        permit = world.breaker.ask(ZAI, model, lambda sender=sender: sender)
        world.breaker.note_failure(permit, FAILING, is_suspect=True)


def is_open_for(world, sender, model=SONNET) -> bool:
    permit = world.breaker.ask(ZAI, model, lambda: sender)
    world.breaker.note_abandoned(permit)
    return permit.is_open


@pytest.mark.parametrize("times", [3, 4, 50])
def test_failures_of_one_sender_bar_nobody_else(world, times):
    suspect(world, *["a"] * times)
    assert not is_open_for(world, "a")
    assert is_open_for(world, "b")
    assert is_open_for(world, "a", HAIKU)
    assert world.may()
    assert world.breaker.standing(ZAI) is None
    assert world.told == []


@pytest.mark.parametrize("senders", ["abc", "aab", "aba", "aaab"])
def test_failures_of_two_senders_in_a_row_bar_all(world, senders):
    suspect(world, *senders)
    assert not is_open_for(world, "z")
    assert not world.may()
    assert world.causes() == [FAILING]


def test_two_failures_of_two_senders_are_no_row_yet(world):
    suspect(world, "a", "b")
    assert is_open_for(world, "z")


def test_success_of_another_ends_the_row_and_not_the_senders_own_bar(world):
    suspect(world, "a", "a", "a")
    world.breaker.note_success(world.breaker.ask(ZAI, SONNET, lambda: "b"))
    suspect(world, "b", "c")
    assert is_open_for(world, "z")
    assert not is_open_for(world, "a")


def test_sender_that_is_barred_is_tried_after_its_back_off(world):
    suspect(world, "a", "a", "a")
    world.passed_s = 6.0
    probe = world.breaker.ask(ZAI, SONNET, lambda: "a")
    assert (probe.is_open, probe.is_probe) == (True, True)
    assert not is_open_for(world, "a")
    world.breaker.note_failure(probe, FAILING, is_suspect=True)
    assert not is_open_for(world, "a")
    assert is_open_for(world, "b")
    world.passed_s = 20.0
    world.breaker.note_success(world.breaker.ask(ZAI, SONNET, lambda: "a"))
    assert is_open_for(world, "a")
    assert world.breaker.is_calm


def test_sender_does_not_matter_to_what_speaks_of_the_backend(world):
    permit = world.breaker.ask(ZAI, SONNET, lambda: "a")
    world.breaker.note_failure(permit, UNREACHABLE, is_suspect=True)
    assert not is_open_for(world, "b")


def test_changed_settings_let_a_barred_sender_in(world, breaker):
    suspect(world, "a", "a", "a")
    changed = msgspec.structs.replace(ZAI, base_url="https://other.example")
    assert breaker.ask(changed, SONNET, lambda: "a").is_open


def test_senders_without_number_do_not_fill_the_memory(world, breaker):
    for number in range(3 * MOST_SENDERS):
        suspect(world, *[number] * 3)
        breaker.note_success(breaker.ask(ZAI, SONNET, lambda: "well"))
    assert not is_open_for(world, 3 * MOST_SENDERS - 1)
    assert is_open_for(world, 0)
