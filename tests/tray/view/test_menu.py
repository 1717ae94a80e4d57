"""The menu from top to bottom, for each state of things."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs
from quota_samples import plan_of
from tray_states import (
    BOUNDARY,
    HOUR,
    NOW,
    bypass_of,
    error_of,
    row,
    running,
    status_of,
    week_of,
    whole_text,
    window_of,
)
from trouble_samples import fallback, left, trouble

from offramp_cli.daemon_client import delegation_text
from offramp_core import __version__
from offramp_core.backend import Route
from offramp_core.config.schema import KEEP
from offramp_core.control import api
from offramp_core.control.api import DelegationTrouble, Pause, RecordsStatus
from offramp_core.settings import TraySettings
from offramp_core.wording import delegation_text as delegation_text_core
from offramp_core.wording import trouble_text
from offramp_dashboard.data import daemon_text
from offramp_dashboard.data.snapshot import DaemonCondition
from offramp_tray.state import tray_state
from offramp_tray.state.tray_state import Presence, TrayState
from offramp_tray.view import menu, wording
from offramp_tray.view.view_model import RowKind

DASH = wording.UNKNOWN


def words(state: TrayState) -> list[str]:
    """What is to be read, top to bottom."""
    return [
        "---" if each.kind is RowKind.SEPARATOR else each.text
        for each in menu.rows(state)
        if each.is_visible
    ]


def text(state: TrayState, key: str) -> str:
    """A row's text, with the rows that it goes on in."""
    return whole_text(menu.rows(state), key)


def test_the_menu_reads_as_designed():
    designed = (Path(__file__).parent / "golden" / "menu.txt").read_text(encoding="utf-8")
    assert words(running(is_login_item=True)) == designed.splitlines()


def test_nothing_unknown_is_a_zero():
    shown = words(TrayState(now=NOW, boundary=running().boundary))
    assert shown[:5] == [
        f"Looking for the daemon · {DASH} of tokens this week",
        f"Claude: {DASH} requests, {DASH} tokens",
        f"Z.ai: {DASH} requests, {DASH} tokens",
        "Claude quota: not known yet",
        "Z.ai quota: not known yet",
    ]
    assert not any("0" in line for line in shown[:5])


def test_an_empty_week_has_zeros_that_are_known():
    shown = words(running(week=week_of()))
    assert shown[0] == "Delegation on · no tokens this week"
    assert shown[1:3] == ["Claude: 0 requests, 0 tokens", "Z.ai: 0 requests, 0 tokens"]


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        (running(status_of(pause=Pause(since=NOW))), "Delegation paused until you resume it"),
        (
            running(status_of(pause=Pause(since=NOW, until=NOW + timedelta(hours=1)))),
            "Delegation paused until 15:00",
        ),
        (
            running(status_of(pause=Pause(since=NOW, until=NOW + timedelta(days=1)))),
            "Delegation paused until Thu 14:00",
        ),
        (running(status_of(zai_key="missing")), "Delegation on, but no key for Z.ai"),
        (running(presence=Presence.NOT_RUNNING), "Daemon not running"),
        (running(presence=Presence.UNREACHABLE), "Daemon can't be asked"),
    ],
)
def test_the_headline_begins_with_the_state(state, headline):
    whole = f"{headline} · Claude 71%, Z.ai 29% of tokens this week"
    assert wording.headline(state) == whole
    assert text(state, "headline") == (whole if len(whole) <= 72 else whole.replace(" ·", ""))


@pytest.mark.parametrize("mode", ["always", "auto", "never"])
@pytest.mark.parametrize("pause", [None, Pause(since=NOW)])
@pytest.mark.parametrize("troubles", [(), (trouble(), trouble(model="GLM-4.7"))])
def test_delegation_is_worded_as_on_the_command_line(pause, mode, troubles):
    status = status_of(pause=pause, delegation=mode, troubles=troubles)
    assert wording.delegation(status, running(status)) == delegation_text(status)


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (error_of(api.KEY_REFUSED), ("refused the key", "(13:55)", "offramp key set")),
        (error_of(api.LIMIT, count=4), ("limit", "(13:55, 4 in a row)", "pause")),
        (error_of(api.ACCOUNT), ("refused the account", "plan")),
        (error_of(api.OVERLOADED), ("overloaded", "pause")),
        (error_of(api.UNREACHABLE), ("can't be reached", "network")),
        (error_of(api.FAILING, http_status=500), ("HTTP 500", "(13:55)", "pause")),
        (error_of(api.FAILING, http_status=200, why="It broke off."), ("(It broke off)", "pause")),
        (error_of(api.FAILING, http_status=None, why="It broke off."), ("(It broke off)", "pause")),
        (
            error_of("of a newer daemon", http_status=None, why="It went wrong."),
            ("It went wrong (13:55)", "offramp logs"),
        ),
    ],
)
def test_the_last_error_is_one_line_with_its_cure(error, parts):
    line = text(running(status_of(errors={"zai": error})), "error")
    assert line.startswith("Z.ai")
    for part in parts:
        assert part in line


def test_claudes_limit_is_no_reason_to_pause():
    state = running(status_of(errors={"anthropic": error_of(api.LIMIT)}))
    assert text(state, "error").endswith("wait, or use another model")


def test_of_two_errors_the_later_one_shows():
    errors = {
        "zai": error_of(api.LIMIT),
        "anthropic": error_of(api.OVERLOADED, at=NOW - timedelta(minutes=1)),
    }
    assert text(running(status_of(errors=errors)), "error").startswith("Claude is overloaded")


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (running(), ""),
        (
            running(status_of(zai_key="missing")),
            "No key for Z.ai: set it in the settings, or run offramp key set",
        ),
        (
            running(status_of(zai_key="missing", key_note="waiting for the keyring: it is locked")),
            "No key for Z.ai: waiting for the keyring: it is locked",
        ),
        (
            running(presence=Presence.NOT_RUNNING),
            "Start the daemon below. The log folder shows why it ended.",
        ),
        (
            TrayState(now=NOW, boundary=BOUNDARY, presence=Presence.NOT_RUNNING),
            "Start the daemon below.",
        ),
        (
            running(presence=Presence.UNREACHABLE, problem="It is silent. Restart it."),
            "It is silent. Restart it.",
        ),
        (
            running(
                status_of(records=RecordsStatus(written=0, waiting=9, lost=0, last_error="full"))
            ),
            "Records can't be written: full",
        ),
        (running(week_problem="The log can't be read."), "The log can't be read."),
        (running(settings_problem="Settings rejected: x"), "Settings rejected: x"),
    ],
)
def test_what_is_wrong_has_a_row_of_its_own(state, line):
    found = row(menu.rows(state), "error")
    assert (found.text, found.is_visible) == (line, bool(line))


def test_no_fact_of_any_kind_makes_the_menu_wider_than_72_letters():
    name = "x" * 90
    long = " ".join(["sentence"] * 40)
    error = error_of(api.FAILING, why=long)
    for state in (
        running(settings_problem=long),
        running(week_problem=long),
        running(status_of(errors={"zai": error})),
        running(status_of(fallbacks=(fallback(model=name, sent=name),))),
        running(status_of(delegation="auto", delegation_why=long)),
        TrayState(now=NOW, boundary=BOUNDARY, presence=Presence.UNREACHABLE, problem=long),
    ):
        assert all(len(line) <= 72 for line in words(state))


def test_long_headline_has_the_split_in_a_row_of_its_own():
    troubles = [trouble(api.BUSY, model=name * 13) for name in ("one", "two", "six")]
    rows = menu.rows(running(status_of(troubles=tuple(troubles))))
    *state, last = [
        each.text for each in rows if each.key.startswith("headline") and each.is_visible
    ]
    assert " ".join(state).startswith("Delegation on, but not working for oneone")
    assert last == wording.split(running())
    assert all(len(line) <= 72 for line in (*state, last))


def test_a_long_error_is_cut_to_one_line():
    problem = "A long story.\n" * 20
    line = text(running(week_problem=problem), "error")
    assert "\n" not in line
    assert len(line) == 120
    assert line.endswith("…")


def test_a_refusal_shows_in_its_own_row():
    found = row(menu.rows(running(refusal="It was not done.", said_at=NOW)), "said.refusal.0")
    assert (found.text, found.is_visible) == ("It was not done.", True)


def test_pause_is_checked_while_paused_and_off_without_a_daemon():
    paused = row(menu.rows(running(status_of(pause=Pause(since=NOW)))), menu.PAUSE)
    assert (paused.is_checked, paused.is_enabled) == (True, True)
    gone = menu.rows(running(presence=Presence.NOT_RUNNING))
    assert not row(gone, menu.PAUSE).is_enabled
    assert not row(gone, "pause_for").is_enabled


def test_pause_for_says_until_when():
    below = row(menu.rows(running()), "pause_for").rows
    assert [each.text for each in below] == [
        "1 hour",
        "Until tomorrow (Thu 08:00)",
        "Until the week resets (Thu 22:00)",
    ]


@pytest.mark.parametrize("key", [menu.PAUSE, menu.COPY, menu.DAEMON, menu.PAUSE_HOUR])
def test_a_row_whose_action_is_under_way_says_so(key):
    before = text(running(), key)
    assert text(running(pending=frozenset({key})), key) == f"{before}…"


def test_charts_say_what_is_missing():
    assert text(running(has_charts=False), menu.CHARTS) == "Open charts… (needs offramp[charts])"


def test_without_a_daemon_it_can_be_started_and_quit_promises_nothing():
    state = running(presence=Presence.NOT_RUNNING)
    assert text(state, menu.DAEMON) == "Start daemon"
    assert text(state, menu.QUIT) == "Quit tray"


@pytest.mark.parametrize(("is_on", "is_visible"), [(True, True), (False, True), (None, False)])
def test_start_at_login_shows_where_it_can_be_told(is_on, is_visible):
    found = row(menu.rows(running(is_login_item=is_on)), menu.LOGIN)
    assert (found.is_checked, found.is_visible) == (bool(is_on), is_visible)


def test_about_tells_version_and_licence_without_a_link():
    lines = [each.text for each in row(menu.rows(running()), "about").rows]
    assert lines[0] == f"Offramp {__version__}"
    assert lines[1] == "MIT licence"
    assert not any("://" in line for line in lines)


def test_rows_keep_their_keys_and_places_whatever_happens():
    states = [
        running(),
        running(presence=Presence.NOT_RUNNING),
        running(presence=Presence.UNREACHABLE, problem="silent"),
        running(status_of(pause=Pause(since=NOW)), refusal="no", said_at=NOW, is_login_item=True),
        running(week=None),
        running(status_of(bypasses={"zai": bypass_of()}, waiting=2, delegation="auto")),
        running(status_of(troubles=(REFUSED,) * 9, fallbacks=(fallback(),) * 9)),
        running(status_of(client_problem=left())),
        running(refusal="no", refusal_cure="Do that. " * 90, notes="So it is. " * 90, said_at=NOW),
        running(unseen=frozenset({"note"})),
    ]
    keys = {tuple(each.key for each in menu.rows(state)) for state in states}
    assert len(keys) == 1


def test_every_key_is_there_once():
    rows = menu.rows(running(backends=("anthropic", "zai", "mine")))
    keys = [each.key for top in rows for each in (top, *top.rows)]
    assert len(keys) == len(set(keys))


PLANS = (
    plan_of(
        "anthropic",
        window_of(used=0.63, resets_in=timedelta(days=1.3)),
        window_of("5h", used=0.2, resets_in=2 * HOUR),
    ),
    plan_of("zai", window_of("1mo_tools"), window_of("5h", used=0.1, resets_in=HOUR)),
)


def quota_lines(state: TrayState) -> list[str]:
    return [each.text for each in menu.rows(state) if each.key.startswith("quota.")]


def test_each_window_of_a_plan_has_its_row():
    assert quota_lines(running(status_of(quota=PLANS))) == [
        "Claude 5 hours 20%, resets 16:00, on pace for 33%",
        "Claude week 63%, resets Thu 21:12, on pace for 77%",
        "Z.ai 5 hours 10%, resets 15:00, on pace for 12%",
    ]


def test_without_the_daemon_figures_have_their_age_and_end_with_their_reset():
    later = running(
        status_of(quota=PLANS), presence=Presence.NOT_RUNNING, now=NOW + timedelta(hours=1.5)
    )
    assert quota_lines(later) == [
        "Claude 5 hours 20%, resets 16:00 (as of 14:00)",
        "Claude week 63%, resets Thu 21:12 (as of 14:00)",
        "Z.ai 5 hours: unknown since its reset 15:00",
    ]


def test_a_plan_that_could_not_be_asked_says_why():
    asked = plan_of("zai")
    state = running(status_of(quota=(structs.replace(asked, problem="It did not answer."),)))
    assert quota_lines(state)[1] == "Z.ai quota: not known (It did not answer)"


def test_nothing_is_expected_of_the_plan_of_a_backend_of_the_users_own():
    state = running(backends=("anthropic", "mine"))
    assert quota_lines(state) == ["Claude quota: not known yet"]


@pytest.mark.parametrize(
    ("fields", "text_of_row"),
    [
        ({}, ""),
        ({"delegation": "auto"}, ""),
        (
            {"delegation": "auto", "delegation_why": "Sonnet on Claude: 12 % under pace"},
            "Sonnet on Claude: 12 % under pace",
        ),
        ({"delegation": "always", "delegation_why": "of before"}, ""),
    ],
)
def test_the_autopilots_reason_has_a_row_while_it_decides(fields, text_of_row):
    found = row(menu.rows(running(status_of(**fields))), "delegation")
    assert (found.text, found.is_visible) == (text_of_row, bool(text_of_row))


@pytest.mark.parametrize(
    ("mode", "headline"),
    [("never", "Delegation off (settings)"), ("auto", "Delegation on, auto")],
)
def test_the_headline_tells_the_mode(mode, headline):
    state = running(status_of(delegation=mode))
    assert text(state, "headline").startswith(f"{headline} · ")


def test_a_bypass_has_rows_for_its_reason_and_its_cure():
    error = structs.replace(error_of(api.FAILING), why="ZAI_BASE_URL may be wrong")
    state = running(
        status_of(errors={"zai": error}, bypasses={"zai": bypass_of(api.FAILING)}),
    )
    assert text(state, "why.zai") == "The latest error: ZAI_BASE_URL may be wrong"
    assert text(state, "cure.zai").startswith("Wait: Z.ai is tried again")
    assert not row(menu.rows(running()), "why.zai").is_visible
    assert not row(menu.rows(running()), "cure.zai").is_visible


def test_a_bypass_has_a_row_instead_of_the_error_behind_it():
    state = running(status_of(errors={"zai": error_of(api.LIMIT)}, bypasses={"zai": bypass_of()}))
    line = "Z.ai's quota is used up: Sonnet and Haiku go to Claude until 17:00"
    assert text(state, "bypass.zai") == line
    assert text(state, "error") == ""
    assert wording.tooltip(state).splitlines()[1] == line
    assert not row(menu.rows(running()), "bypass.zai").is_visible


REFUSED = trouble(detail="HTTP 400, code 1210")


def test_what_is_not_delegated_has_a_row_with_its_cure_below():
    state = running(status_of(troubles=(REFUSED,)))
    shown = words(state)
    place = shown.index("Z.ai refuses Sonnet 5.5 requests (HTTP 400, code 1210), so Claude serves")
    cause = f"{shown[place]} {shown[place + 1]}"
    assert cause.endswith("so Claude serves them: 20 since 10:00")
    cure = " ".join(shown[place + 2 : place + 4])
    assert cure == trouble_text.cure_text(REFUSED).removesuffix(".")
    assert shown[place + 4] == "---"
    assert wording.tooltip(state).splitlines() == [
        "Delegation on, but not working for Sonnet 5.5 · Claude 71%, Z.ai 29% of tokens this week",
        cause,
    ]


def test_menu_of_a_tray_with_everything_wrong_reads_as_designed():
    designed = (Path(__file__).parent / "golden" / "troubles.txt").read_text(encoding="utf-8")
    troubles = (
        REFUSED,
        trouble(api.UNKNOWN_MODEL, model="GLM-9", detail="HTTP 400, code 1211"),
        trouble(api.KEPT, rule="context_size", is_in_one_conversation=True),
        trouble(api.EMPTY_ANSWERS, model="GLM-4.5-Air"),
        trouble(api.BUSY),
    )
    status = status_of(troubles=troubles, client_problem=left(), fallbacks=(fallback(),))
    assert words(running(status)) == designed.splitlines()


@pytest.mark.parametrize(
    "cause",
    [
        *(api.REFUSED, api.UNKNOWN_MODEL, api.EMPTY_ANSWERS, api.KEY_REFUSED, api.LIMIT),
        *(api.ACCOUNT, api.OVERLOADED, api.BUSY, api.UNREACHABLE, api.FAILING, "of tomorrow"),
    ],
)
@pytest.mark.parametrize("is_in_one_conversation", [False, True])
def test_no_cause_and_no_cure_is_cut_off(cause, is_in_one_conversation):
    found = trouble(
        cause,
        detail=None if is_in_one_conversation else "HTTP 400, code 1210",
        requests=1234,
        is_in_one_conversation=is_in_one_conversation,
    )
    assert_shown_whole(found)


@pytest.mark.parametrize("rule", [*KEEP, "of_tomorrow"])
@pytest.mark.parametrize("is_in_one_conversation", [False, True])
def test_no_rule_and_no_cure_is_cut_off(rule, is_in_one_conversation):
    assert_shown_whole(trouble(api.KEPT, rule=rule, is_in_one_conversation=is_in_one_conversation))


def assert_shown_whole(found: DelegationTrouble) -> None:
    """In as many rows as it takes, none of which makes the menu wide."""
    state = running(status_of(troubles=(found,)))
    cause = trouble_text.cause_text(found, NOW, state.boundary.zone)
    assert text(state, "trouble.0") == cause.removesuffix(".")
    assert text(state, "trouble.0.cure") == trouble_text.cure_text(found).removesuffix(".")
    assert all(len(line) <= 72 for line in words(state))


@pytest.mark.parametrize(
    "status",
    [
        status_of(troubles=(REFUSED,), fallbacks=(fallback(),), pause=Pause(since=NOW)),
        status_of(troubles=(REFUSED,), fallbacks=(fallback(),), delegation="never"),
        status_of(troubles=(trouble(api.LIMIT),), bypasses={"zai": bypass_of()}),
    ],
)
def test_trouble_has_no_row_while_nothing_is_delegated_or_a_bypass_says_it(status):
    assert not [
        each.key
        for each in menu.rows(running(status))
        if each.key.startswith(("trouble", "fallback")) and each.is_visible
    ]


@pytest.mark.parametrize("pause", [None, Pause(since=NOW)])
def test_claude_code_that_left_has_a_row_with_the_way_back(pause):
    state = running(status_of(client_problem=left("https://gw.example"), pause=pause))
    assert text(state, "client") == "Claude Code no longer uses Offramp"
    assert "offramp connect --force" in text(state, "client.cure")
    assert wording.tooltip(state).splitlines()[1] == text(state, "client")
    assert not row(menu.rows(running()), "client").is_visible


def test_requests_that_wait_have_a_row():
    shown = words(running(status_of(waiting=3, at_once=2)))
    assert "Z.ai serves 2 at once: 3 requests wait" in shown
    assert not any("at once" in line for line in words(running(status_of(at_once=2))))


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (TraySettings(), ""),
        (TraySettings(text="share"), "29% of tokens"),
        (TraySettings(text="share", count="requests"), "68% of requests"),
        (TraySettings(text="requests"), "100 requests"),
        (TraySettings(text="tokens"), "4.2M tokens"),
    ],
)
def test_the_text_beside_the_icon_is_the_users_choice(settings, label):
    state = running(settings=settings)
    assert wording.label(state) == label
    unknown = replace(state, week=None)
    assert wording.label(unknown) == ("" if not label else DASH)


def test_title_is_the_split_and_the_tooltip_adds_what_is_wrong():
    assert wording.title(running()) == "Claude 71%, Z.ai 29% of tokens this week"
    assert wording.tooltip(running()) == wording.title(running())
    state = running(status_of(errors={"zai": error_of(api.KEY_REFUSED)}))
    first, second = wording.tooltip(state).splitlines()
    assert first.startswith("Delegation on · Claude 71%")
    assert second.startswith("Z.ai refused the key")


def test_a_foreign_backends_name_can_do_no_harm():
    state = running(week=week_of(**{"a\x1b[31m\nb" + "x" * 90: (1, 1)}))
    shown = next(line for line in words(state) if line.startswith("a?[31m?b"))
    assert len(shown) < 80


def test_each_backend_in_trouble_has_a_row_and_so_has_each_missing_key():
    state = running(
        status_of(
            errors={"zai": error_of(api.KEY_REFUSED), "anthropic": error_of(api.LIMIT)},
        )
    )
    lines = [text(state, key) for key in ("error", "error.1", "error.2")]
    assert {line.partition(" refused")[0].partition("'s limit")[0] for line in lines} == {
        "Z.ai",
        "Claude",
        "",
    }


def test_cure_of_a_refusal_and_a_note_have_rows_that_hold_all_of_them():
    words = [f"word{number}" for number in range(50)]
    cure = " ".join(words)
    state = running(refusal="No.", refusal_cure=cure, notes=cure, said_at=NOW)
    for key in ("said.cure", "said.note"):
        lines = [row(menu.rows(state), f"{key}.{place}") for place in range(5)]
        shown = [line.text for line in lines if line.is_visible]
        assert " ".join(shown).split() == words
        assert all(len(line) <= 72 for line in shown)


@pytest.mark.parametrize(
    ("minutes", "unseen", "is_said"),
    [(1, (), True), (6, (), False), (60, ("refusal",), True), (60, ("quota.zai.7d",), False)],
)
def test_what_was_said_goes_some_minutes_after_it_was_seen(minutes, unseen, is_said):
    state = running(
        refusal="No.",
        refusal_cure="Do that.",
        notes="So it is.",
        said_at=NOW - timedelta(minutes=minutes),
        unseen=frozenset(unseen),
    )
    for key in ("said.refusal.0", "said.cure.0", "said.note.0"):
        assert row(menu.rows(state), key).is_visible is is_said


def test_no_refusal_makes_the_menu_wider_than_its_facts():
    path = "/home/somebody/" + "a-very-long-name/" * 6
    state = running(refusal=f"{path} could not be opened (xdg-open ended with 3).", said_at=NOW)
    lines = [each for each in words(state) if "xdg-open" in each or path[:20] in each]
    assert lines
    assert all(len(line) <= 72 for line in lines)


def test_the_tooltip_has_each_quota_with_even_pace_and_reset():
    assert wording.tooltip(running(status_of(quota=PLANS))).splitlines() == [
        "Claude 71%, Z.ai 29% of tokens this week",
        "Claude 5 hours 20% used (even pace 60%), resets 16:00",
        "Claude week 63% used (even pace 81%), resets Thu 21:12",
        "Z.ai 5 hours 10% used (even pace 80%), resets 15:00",
    ]


def test_the_tooltip_of_a_daemon_that_is_gone_names_the_menu_and_the_figures_age():
    state = running(status_of(quota=PLANS), presence=Presence.NOT_RUNNING, now=NOW + HOUR / 2)
    lines = wording.tooltip(state).splitlines()
    assert lines[1] == "Open the menu to start the daemon"
    assert lines[2] == "Claude 5 hours 20% used (even pace 70%, as of 14:00), resets 16:00"
    assert not any("below" in line for line in lines)


def test_without_a_daemon_so_far_the_figures_of_the_last_one_are_shown():
    state = running(presence=Presence.NOT_RUNNING, kept_plans=PLANS)
    state = replace(state, status=None)
    assert quota_lines(state)[0] == "Claude 5 hours 20%, resets 16:00 (as of 14:00)"
    assert not tray_state.spent_windows(state)


def test_limits_of_an_api_key_that_have_refilled_are_no_figures():
    over = window_of("tokens", used=0.5, resets_in=-HOUR)
    state = running(status_of(quota=(plan_of("anthropic", over),)))
    assert quota_lines(state)[0] == "Claude API key: its limits refill within minutes"
    assert tray_state.left(state, "anthropic") is None


@pytest.mark.parametrize(
    ("status_mode", "presence", "text_of_row"),
    [
        ("auto", Presence.RUNNING, "Delegate: auto"),
        ("never", Presence.RUNNING, "Delegate: never"),
        ("of tomorrow", Presence.RUNNING, "Delegate: of tomorrow"),
        ("auto", Presence.NOT_RUNNING, "Delegate: always"),
    ],
)
def test_the_mode_is_the_daemons_and_without_one_the_settings(status_mode, presence, text_of_row):
    state = running(status_of(delegation=status_mode), presence=presence)
    assert text(state, "mode") == text_of_row


def test_the_model_of_a_tier_is_checked_among_its_choices():
    found = row(menu.rows(running()), "tier.haiku")
    assert found.text == "Haiku → GLM-4.5-Air"
    assert [each.text for each in found.rows if each.is_checked] == ["GLM-4.5-Air"]
    assert found.rows[0].text == "Claude"
    assert "GLM-5.4" in [each.text for each in found.rows]


def test_a_model_of_the_users_own_is_checked_too_and_can_be_left():
    routes = (Route(match="sonnet", backend="mine", send_model="small"),)
    found = row(menu.rows(running(routes=routes)), "tier.sonnet")
    assert found.text == "Sonnet → small at mine"
    assert [each.text for each in found.rows if each.is_checked] == ["small at mine"]


def test_missing_key_is_told_with_its_cure_and_in_the_window_beside_a_button():
    status = status_of(zai_key="missing")
    cure = delegation_text_core.key_cure("zai")
    assert text(running(status), "error").endswith(cure)
    in_window = daemon_text.seen(status, NOW, BOUNDARY.zone)
    assert in_window.text.startswith("No key for Z.ai")
    assert in_window.state is DaemonCondition.NO_KEY
