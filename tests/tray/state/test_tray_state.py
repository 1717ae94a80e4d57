"""What a state amounts to: the condition, the shares, whether the numbers are of today."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from quota_samples import plan_of
from tray_states import (
    BOUNDARY,
    HOUR,
    NOW,
    bypass_of,
    error_of,
    running,
    status_of,
    totals_of,
    week_of,
    window_of,
)
from trouble_samples import fallback, left, trouble

from offramp_core.control import api
from offramp_core.control.api import Pause, RecordsStatus
from offramp_core.settings import TraySettings
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Condition, Presence
from offramp_tray.view import menu, wording

PAUSE = Pause(since=NOW)
LIMITED = {"zai": error_of(api.LIMIT)}
SPENT = status_of(quota=(plan_of("zai", window_of("5h", used=0.93, resets_in=HOUR)),))
OVER = status_of(quota=(plan_of("zai", window_of("5h", used=0.93, resets_in=-HOUR)),))
UNKNOWN = status_of(quota=(plan_of("zai", window_of(used=None)),))
TOOLS = status_of(quota=(plan_of("zai", window_of("1mo_tools", used=1.0)),))
REJECTED = status_of(quota=(plan_of("anthropic", window_of(used=0.5, status="rejected")),))


@pytest.mark.parametrize(
    ("state", "condition"),
    [
        (running(), Condition.RUNNING),
        (running(status_of(pause=PAUSE)), Condition.PAUSED),
        (running(status_of(zai_key="missing")), Condition.NO_KEY),
        (running(status_of(zai_key="missing", pause=PAUSE)), Condition.PAUSED),
        (
            running(status_of(zai_key="missing", key_note=api.KEY_AWAITED)),
            Condition.RUNNING,
        ),
        (
            running(status_of(zai_key="missing", key_note="waiting for the keyring: locked")),
            Condition.NO_KEY,
        ),
        (running(status_of(errors={"zai": error_of(api.LIMIT)})), Condition.TROUBLE),
        (running(status_of(errors={"zai": error_of(api.OVERLOADED)})), Condition.RUNNING),
        (
            running(status_of(errors={"zai": error_of(api.OVERLOADED, count=3)})),
            Condition.TROUBLE,
        ),
        (
            running(status_of(pause=PAUSE, errors={"zai": error_of(api.LIMIT)})),
            Condition.PAUSED,
        ),
        (
            running(status_of(pause=PAUSE, errors={"anthropic": error_of(api.LIMIT)})),
            Condition.TROUBLE,
        ),
        (running(status_of(troubles=(trouble(),))), Condition.TROUBLE),
        (running(status_of(troubles=(trouble(api.KEPT, rule="images"),))), Condition.TROUBLE),
        (running(status_of(troubles=(trouble(),), pause=PAUSE)), Condition.PAUSED),
        (running(status_of(troubles=(trouble(),), delegation="never")), Condition.RUNNING),
        (
            running(status_of(troubles=(trouble(api.LIMIT),), bypasses={"zai": bypass_of()})),
            Condition.RUNNING,
        ),
        (
            running(status_of(troubles=(trouble(),)), presence=Presence.NOT_RUNNING),
            Condition.NOT_RUNNING,
        ),
        (running(status_of(client_problem=left())), Condition.TROUBLE),
        (running(status_of(client_problem=left(), pause=PAUSE)), Condition.TROUBLE),
        (running(status_of(fallbacks=(fallback(),))), Condition.RUNNING),
        (running(SPENT), Condition.QUOTA),
        (running(SPENT, settings=TraySettings(quota_percent=95)), Condition.RUNNING),
        (running(OVER), Condition.RUNNING),
        (running(UNKNOWN), Condition.RUNNING),
        (running(TOOLS), Condition.RUNNING),
        (running(REJECTED), Condition.QUOTA),
        (running(SPENT, presence=Presence.NOT_RUNNING), Condition.NOT_RUNNING),
        (running(status_of(errors=LIMITED, bypasses={"zai": bypass_of()})), Condition.RUNNING),
        (
            running(
                status_of(
                    errors={"zai": error_of(api.KEY_REFUSED)},
                    bypasses={"zai": bypass_of(api.KEY_REFUSED)},
                )
            ),
            Condition.TROUBLE,
        ),
        (running(status_of(errors=LIMITED, delegation="never")), Condition.RUNNING),
        (running(status_of(zai_key="missing", delegation="never")), Condition.RUNNING),
        (running(presence=Presence.NOT_RUNNING), Condition.NOT_RUNNING),
        (
            running(status_of(pause=PAUSE), presence=Presence.NOT_RUNNING),
            Condition.NOT_RUNNING,
        ),
        (running(presence=Presence.UNREACHABLE), Condition.TROUBLE),
        (running(presence=Presence.UNKNOWN), Condition.RUNNING),
    ],
)
def test_of_several_conditions_the_one_that_matters_most_holds(state, condition):
    assert tray_state.condition(state) is condition


def test_shares_are_of_tokens_with_claude_first():
    state = running(week=week_of(zai=(9, 100), anthropic=(1, 300)))
    assert tray_state.shares(state) == (("anthropic", 0.75), ("zai", 0.25))


def test_shares_are_of_requests_where_the_settings_say_so():
    state = running(settings=TraySettings(count="requests"))
    assert tray_state.shares(state) == (("anthropic", 0.32), ("zai", 0.68))


def test_shares_are_unknown_before_the_log_was_read_and_empty_in_an_empty_week():
    assert tray_state.shares(running(week=None)) is None
    assert tray_state.shares(running(week=week_of())) == ()


def test_what_had_no_backend_has_no_share_but_is_part_of_the_whole():
    week = week_of(zai=(3, 0))
    week = replace(week, by_backend={**week.by_backend, None: totals_of(1)})
    state = running(week=week, settings=TraySettings(count="requests"))
    assert tray_state.shares(state) == (("zai", 0.75),)


def test_backends_have_the_order_that_the_window_shows_them_in():
    state = running(backends=("anthropic", "mine", "zai"), week=week_of(zai=(1, 1), gone=(1, 1)))
    assert tray_state.shown_backends(state) == ("anthropic", "gone", "mine", "zai")


@pytest.mark.parametrize(
    ("state", "is_stale"),
    [
        (running(), False),
        (running(presence=Presence.NOT_RUNNING), False),
        (running(presence=Presence.UNREACHABLE), True),
        (running(week_problem="The request log can't be read."), True),
        (
            running(
                status_of(records=RecordsStatus(written=1, waiting=2, lost=0, last_error="full"))
            ),
            True,
        ),
    ],
)
def test_numbers_are_stale_where_something_keeps_them_back(state, is_stale):
    assert tray_state.is_stale(state) is is_stale


@pytest.mark.parametrize(
    "fields",
    [
        {"now": BOUNDARY.week_of(NOW).end},
        {"now": BOUNDARY.week_of(NOW).start - timedelta(seconds=1)},
        {"boundary": replace(BOUNDARY, hour=3)},
    ],
)
def test_numbers_of_another_week_are_unknown_in_this_one(fields):
    state = running(
        week=week_of(zai=(68, 1), old=(1, 1)), settings=TraySettings(text="requests"), **fields
    )
    assert tray_state.shares(state) is None
    assert tray_state.shown_backends(state) == ("anthropic", "zai")
    assert wording.split(state) == "– of tokens this week"  # noqa: RUF001 - the dash for what is unknown
    assert wording.label(state) == wording.UNKNOWN
    (line,) = [row.text for row in menu.rows(state) if row.key == "backend.anthropic"]
    assert line == "Claude: – requests, – tokens"  # noqa: RUF001 - the same
