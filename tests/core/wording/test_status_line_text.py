"""The status line: what it says of a session, the week and the plan, and what fits."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from served_records import record_of
from tray_states import NOW, status_of, window_of

from offramp_core.control.api import ClientProblem, Pause
from offramp_core.quota import forecast
from offramp_core.wording import status_line_text as text
from offramp_core.wording.status_line_text import Part, Session

DAY = timedelta(days=1)
WHO = [Part("Sonnet → GLM-4.7")]
SPLIT = [Part("week: Claude 32%, Z.ai 68%")]
QUOTA = (Part("Claude week 63%, on pace for 92%"), Part("Claude week 63%"))


def line(columns: int = 0, who=WHO, split=SPLIT, quota=QUOTA, has_colour: bool = False) -> str:
    return text.line(who, split, quota, columns=columns, has_colour=has_colour)


def who(session: Session, status) -> list[str]:
    return [part.text for part in text.who_parts(session, status, NOW, UTC)]


def test_wide_screen_shows_all_of_it():
    assert line() == (
        "Sonnet → GLM-4.7 · week: Claude 32%, Z.ai 68% · Claude week 63%, on pace for 92%"
    )


@pytest.mark.parametrize("columns", range(1, 100))
def test_line_is_never_wider_than_the_screen_and_begins_with_who_served(columns):
    found = line(columns)
    assert text.width(found) <= columns
    assert found.startswith("Sonnet"[: columns - 1])
    assert "\n" not in found


def test_narrow_screen_leaves_out_the_split_first_and_the_pace_next():
    assert line(60) == "Sonnet → GLM-4.7 · Claude week 63%, on pace for 92%"
    assert line(40) == "Sonnet → GLM-4.7 · Claude week 63%"
    assert line(20) == "Sonnet → GLM-4.7"
    assert line(10) == "Sonnet →…"


def test_wide_characters_count_twice_and_accents_not_at_all():
    assert text.width("模型") == 4
    assert text.width("e\u0301") == 1
    found = line(9, who=[Part("模型 → 模型")], split=[], quota=None)
    assert text.width(found) <= 9
    assert found == "模型 →…"


def test_colour_is_only_there_where_it_may_be_and_is_ended():
    parts = [Part("Sonnet → Claude: Z.ai is overloaded", "\x1b[33m")]
    assert "\x1b" not in line(who=parts)
    assert line(who=parts, has_colour=True).count("\x1b[") == 2
    assert text.width("Sonnet") == 6


def test_colour_takes_no_room():
    parts = [Part("Sonnet", "\x1b[33m")]
    found = line(6, who=parts, split=[], quota=None, has_colour=True)
    assert "Sonnet" in found
    assert "…" not in found


def test_session_that_is_not_known_yet_says_how_delegation_stands():
    assert who(Session(), status_of()) == ["Offramp: delegation on"]
    paused = status_of(pause=Pause(since=NOW, until=NOW + timedelta(hours=1)))
    assert who(Session(), paused) == ["Offramp: delegation paused until 14:00"]
    assert who(Session(), status_of(zai_key="missing")) == [
        "Offramp: delegation on, but no key for Z.ai"
    ]


def test_session_that_works_past_offramp_is_told_apart():
    (found,) = who(Session(is_at_work=True), status_of())
    assert "no request of this session" in found
    lost = status_of(client_problem=ClientProblem(settings_file="settings.json"))
    (found,) = who(Session(is_at_work=True), lost)
    assert "no longer uses Offramp" in found


def test_pause_after_a_delegated_request_is_said_beside_it():
    paused = status_of(pause=Pause(since=NOW))
    assert who(Session(last=record_of()), paused) == [
        "Sonnet → GLM-4.7",
        "delegation paused until you resume it",
    ]
    assert who(Session(last=record_of("paused", "anthropic")), paused) == [
        "Sonnet → Claude: delegation paused"
    ]


def test_split_names_claude_first_and_leaves_out_what_nobody_served():
    tokens = {"zai": 68, None: 0, "anthropic": 32, "kimi": 0}
    assert [part.text for part in text.split_parts(tokens)] == ["week: Claude 32%, Z.ai 68%"]
    assert text.split_parts({}) == []
    assert text.split_parts({"zai": 0}) == []


def expected(*windows):
    return [(window, forecast.expect(window, NOW, None, UTC)) for window in windows]


def tightest(*windows) -> str | None:
    found = text.tightest(expected(*windows), NOW)
    return None if found is None else found[0].name


def test_tightest_window_is_the_one_that_is_in_the_way_first():
    calm = window_of("7d", used=0.3, resets_in=3 * DAY)
    assert tightest(calm, window_of("5h", used=0.2, resets_in=timedelta(hours=1))) == "7d"
    assert tightest(calm, window_of("5h", used=0.9, resets_in=timedelta(hours=2))) == "5h"
    spent = window_of("5h", used=1.0, resets_in=timedelta(hours=1), status="rejected")
    assert tightest(calm, spent) == "5h"
    assert tightest(calm, spent, window_of("7d_opus", used=1.0, resets_in=DAY)) == "7d_opus"


def test_window_without_a_figure_that_holds_is_never_shown():
    past = window_of("5h", used=0.9, resets_in=-timedelta(minutes=1))
    unknown = window_of("7d", used=None)
    assert tightest(past, unknown) is None
    assert tightest(past, window_of("7d", used=0.1)) == "7d"


def quota(window) -> tuple[str, str]:
    found = forecast.expect(window, NOW, None, UTC)
    full, short = text.quota_parts(window, found, NOW, UTC)
    return full.text, short.text


def test_quota_says_figure_and_pace():
    full, short = quota(window_of("7d", used=0.4, resets_in=3 * DAY))
    assert full == "Claude week 40%, on pace for 70%"
    assert short == "Claude week 40%"


def test_stale_figure_says_its_age():
    full, short = quota(window_of("7d", used=0.4, age=timedelta(hours=3)))
    assert full.endswith("(as of 3 h ago)")
    assert short.endswith("(as of 3 h ago)")


def test_spent_window_says_until_when():
    window = window_of("5h", used=1.0, resets_in=timedelta(hours=1), status="rejected")
    assert quota(window) == ("Claude 5 hours used up until 14:00",) * 2
