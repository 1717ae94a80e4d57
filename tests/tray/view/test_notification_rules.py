"""Notifications: four kinds, each once while its cause lasts, each a setting."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from quota_samples import plan_of
from tray_states import HOUR, NOW, bypass_of, error_of, running, status_of, window_of
from trouble_samples import fallback, left, trouble

from offramp_core.control import api
from offramp_core.control.api import Pause, ShortPlan
from offramp_core.settings import TraySettings
from offramp_core.wording import trouble_text
from offramp_tray.state.tray_state import Presence
from offramp_tray.view import notification_rules
from offramp_tray.view.notification_rules import Notifier
from offramp_tray.view.view_model import Notification

if TYPE_CHECKING:
    from datetime import datetime

REFUSED = status_of(errors={"zai": error_of(api.KEY_REFUSED)})
LIMIT = {"zai": error_of(api.LIMIT)}
LIMITED = status_of(errors=LIMIT)
NEARLY = status_of(quota=(plan_of("zai", window_of(used=0.95)),))
WEEK = timedelta(days=7)
MINUTE = timedelta(minutes=1)
SPENT = plan_of("zai", window_of("5h", used=1.0, resets_in=3 * HOUR))


def keys(state):
    return [notification.key for notification in notification_rules.due(state)]


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (running(), []),
        (running(REFUSED), ["key.zai"]),
        (running(LIMITED), ["delegation.zai"]),
        (running(status_of(zai_key="missing")), ["delegation.zai"]),
        (running(status_of(zai_key="missing", key_note=api.KEY_AWAITED)), []),
        (running(status_of(zai_key="missing", pause=Pause(since=NOW))), []),
        (running(status_of(errors={"zai": error_of(api.OVERLOADED)})), []),
        (
            running(status_of(errors={"zai": error_of(api.OVERLOADED, count=3)})),
            ["delegation.zai"],
        ),
        (running(status_of(errors={"anthropic": error_of(api.LIMIT)})), []),
        (running(presence=Presence.NOT_RUNNING), []),
        (running(presence=Presence.NOT_RUNNING, is_missed=True), ["daemon"]),
        (running(NEARLY), ["quota.zai.7d"]),
        (running(status_of(quota=(plan_of("zai", window_of(used=0.5)),))), []),
        (running(status_of(bypasses={"zai": bypass_of()})), ["delegation.zai"]),
        (running(status_of(bypasses={"zai": bypass_of()}, errors=LIMIT)), ["delegation.zai"]),
        (running(status_of(bypasses={"zai": bypass_of()}, quota=(SPENT,))), ["delegation.zai"]),
        (
            running(
                status_of(
                    bypasses={"zai": bypass_of(api.KEY_REFUSED)},
                    errors={"zai": error_of(api.KEY_REFUSED)},
                )
            ),
            ["key.zai"],
        ),
        (
            running(
                status_of(
                    bypasses={"zai": bypass_of(api.ACCOUNT)},
                    errors={"zai": error_of(api.ACCOUNT)},
                )
            ),
            ["delegation.zai"],
        ),
        (running(status_of(bypasses={"zai": bypass_of(api.BUSY)})), []),
        (running(status_of(bypasses={"zai": bypass_of()}, pause=Pause(since=NOW))), []),
        (running(status_of(bypasses={"zai": bypass_of()}, delegation="never")), []),
        (
            running(status_of(bypasses={"anthropic": bypass_of(to="zai")})),
            ["delegation.anthropic"],
        ),
        (running(status_of(zai_key="missing", delegation="never")), []),
        (
            running(status_of(troubles=(trouble(), trouble(model="GLM-4.5-Air")))),
            ["trouble.zai.claude-sonnet-5-5.refused", "trouble.zai.GLM-4.5-Air.refused"],
        ),
        (
            running(status_of(troubles=(trouble(api.KEPT, rule="images"),))),
            ["trouble.zai.claude-sonnet-5-5.kept.images"],
        ),
        (running(status_of(troubles=(trouble(),), pause=Pause(since=NOW))), []),
        (running(status_of(troubles=(trouble(),), delegation="never")), []),
        (
            running(status_of(troubles=(trouble(api.LIMIT),), bypasses={"zai": bypass_of()})),
            ["delegation.zai"],
        ),
        (running(status_of(client_problem=left())), ["client"]),
        (running(status_of(client_problem=left(), pause=Pause(since=NOW))), ["client"]),
        (running(status_of(fallbacks=(fallback(),))), []),
    ],
)
def test_each_cause_has_its_notification(state, due):
    assert keys(state) == due


@pytest.mark.parametrize(
    ("state", "setting"),
    [
        (running(REFUSED), "notify_key"),
        (running(LIMITED), "notify_delegation"),
        (running(status_of(zai_key="missing")), "notify_delegation"),
        (running(presence=Presence.NOT_RUNNING, is_missed=True), "notify_daemon"),
        (running(NEARLY), "notify_quota"),
        (running(status_of(bypasses={"zai": bypass_of()})), "notify_delegation"),
        (running(status_of(troubles=(trouble(),))), "notify_delegation"),
        (running(status_of(client_problem=left())), "notify_delegation"),
    ],
)
def test_each_can_be_switched_off(state, setting):
    fields = {name: getattr(state, name) for name in ("status", "presence", "is_missed")}
    assert keys(running(**fields))
    assert not keys(running(settings=TraySettings(**{setting: False}), **fields))


def test_words_say_what_happened_and_what_to_do():
    [refused] = notification_rules.due(running(REFUSED))
    assert refused.title == "Z.ai refused the key"
    assert "offramp key set" in refused.body
    [stopped] = notification_rules.due(running(LIMITED))
    assert stopped.title == "Delegation to Z.ai stopped working"
    assert "limit is reached" in stopped.body


def test_a_bypass_says_what_goes_where_and_until_when():
    [told] = notification_rules.due(
        running(status_of(bypasses={"zai": bypass_of()}, quota=(SPENT,)))
    )
    assert told.title == "Z.ai's quota is used up (5 hours)"
    assert told.body == (
        "Sonnet and Haiku go to Claude until 17:00. "
        "Wait until the quota resets, or choose a larger plan at Z.ai."
    )


def test_a_quota_says_how_much_is_used_and_when_it_resets():
    [nearly] = notification_rules.due(running(NEARLY))
    assert nearly.title == "Z.ai week nearly used up"
    assert nearly.body == "Z.ai week 95%, resets Sat 14:00, runs out about 19:00."
    [spent] = notification_rules.due(running(status_of(quota=(SPENT,))))
    assert (spent.title, spent.body) == (
        "Z.ai 5 hours used up",
        "Z.ai 5 hours used up, resets 17:00.",
    )


def test_failure_bypass_and_end_of_it_are_one_notification():
    said = Said()
    steps = (
        status_of(errors=LIMIT),
        status_of(errors=LIMIT, bypasses={"zai": bypass_of()}),
        status_of(bypasses={"zai": bypass_of()}, quota=(SPENT,)),
        status_of(),
    )
    for status in steps:
        said.notifier.notify_new(notification_rules.due(running(status)), NOW)
    assert said.keys == ["delegation.zai"]


def test_trouble_says_what_why_since_when_and_what_to_do():
    found = trouble(detail="HTTP 400, code 1210")
    [said] = notification_rules.due(running(status_of(troubles=(found,))))
    assert said.title == "Z.ai does not serve Sonnet 5.5"
    assert said.body == (
        "Z.ai refuses Sonnet 5.5 requests (HTTP 400, code 1210), so Claude serves them: 20 since "
        f"10:00. {trouble_text.cure_text(found)}"
    )


def test_client_that_left_says_what_its_settings_hold_and_the_way_back():
    [said] = notification_rules.due(running(status_of(client_problem=left())))
    assert said.title == "Claude Code no longer uses Offramp"
    assert said.body.startswith("/home/ada/.claude/settings.json contains no address. ")
    assert "offramp connect" in said.body


class Told:
    """What a tray remembers, and the next one finds."""

    def __init__(self):
        self.names: dict[str, datetime] = {}

    def was_said(self, name, now):
        return name in self.names

    def was_said_in_week(self, name, begin):
        return name in self.names and begin <= self.names[name] < begin + WEEK

    def keep(self, name, now):
        self.names[name] = now


def said_by_a_tray(memory, *statuses):
    """The keys of what a tray says that sees these statuses from its start on."""
    keys: list[str] = []
    notifier = Notifier(lambda notification: keys.append(notification.key), memory)
    for number, status in enumerate(statuses):
        now = NOW + timedelta(hours=number)
        notifier.notify_new(notification_rules.due(running(status)), now)
    return keys


def test_trouble_that_grows_is_said_once_and_not_again_by_the_next_tray():
    memory = Told()
    grown = [status_of(troubles=(trouble(requests=count),)) for count in (3, 4, 20)]
    assert said_by_a_tray(memory, *grown) == ["trouble.zai.claude-sonnet-5-5.refused"]
    assert said_by_a_tray(memory, *grown) == []
    assert said_by_a_tray(Told(), *grown) == ["trouble.zai.claude-sonnet-5-5.refused"]


def test_new_run_of_the_same_trouble_is_news_for_the_next_tray():
    memory = Told()
    said_by_a_tray(memory, status_of(troubles=(trouble(),)))
    later = trouble(since=NOW + timedelta(hours=1))
    assert said_by_a_tray(memory, status_of(troubles=(later,))) != []


def test_trouble_that_comes_back_is_news_though_it_is_remembered():
    memory = Told()
    gone_and_back = [
        status_of(troubles=(trouble(),)),
        status_of(),
        status_of(troubles=(trouble(),)),
    ]
    assert len(said_by_a_tray(memory, *gone_and_back)) == 2


def test_client_that_left_is_not_said_again_by_the_next_tray():
    memory = Told()
    gone = status_of(client_problem=left())
    assert said_by_a_tray(memory, gone, gone) == ["client"]
    assert said_by_a_tray(memory, gone) == []


def test_what_is_not_to_be_remembered_is_said_by_each_tray():
    memory = Told()
    for _ in range(2):
        assert said_by_a_tray(memory, REFUSED) == ["key.zai"]


class Said:
    def __init__(self):
        self.keys: list[str] = []
        self.notifier = Notifier(lambda notification: self.keys.append(notification.key))

    def tell(self, *due: str, minutes: float = 0):
        notifications = tuple(Notification(key=key, title=key, body="") for key in due)
        self.notifier.notify_new(notifications, NOW + timedelta(minutes=minutes))


def test_a_lasting_cause_is_said_once():
    said = Said()
    for minutes in (0, 1, 60, 60 * 48):
        said.tell("key.zai", minutes=minutes)
    assert said.keys == ["key.zai"]


@pytest.mark.parametrize(("minutes", "is_news"), [(5, False), (60, True)])
def test_a_cause_that_comes_back_is_news_after_long(minutes, is_news):
    said = Said()
    said.tell("daemon")
    said.tell(minutes=1)
    said.tell("daemon", minutes=minutes)
    assert said.keys == ["daemon"] * (1 + is_news)


def test_causes_are_told_one_by_one():
    said = Said()
    said.tell("a")
    said.tell("a", "b")
    assert said.keys == ["a", "b"]


def short(backend="zai", *, resets_in=3 * 24 * HOUR):
    name = {"zai": "Z.ai", "anthropic": "Claude"}[backend]
    return ShortPlan(
        backend=backend,
        resets=NOW + resets_in,
        text=f"{name}'s week is likely to be used up about Wed 15:00.",
    )


SHORT = status_of(short_plans=(short(),))
CLAUDE_SHORT = status_of(short_plans=(short("anthropic"),))


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (running(SHORT), ["week.zai"]),
        (
            running(status_of(short_plans=(short("anthropic"), short()), delegation="auto")),
            ["week.anthropic", "week.zai"],
        ),
        (running(CLAUDE_SHORT), ["week.anthropic"]),
        (running(status_of(short_plans=(short(resets_in=timedelta()),))), []),
        (running(SHORT, presence=Presence.NOT_RUNNING), []),
        (running(SHORT, settings=TraySettings(notify_quota=False)), []),
        (running(status_of(short_plans=(short(),), pause=Pause(since=NOW))), []),
        (
            running(status_of(short_plans=(short("anthropic"),), pause=Pause(since=NOW))),
            ["week.anthropic"],
        ),
        (
            running(
                status_of(short_plans=(short(),), quota=(plan_of("zai", window_of(used=0.95)),))
            ),
            ["quota.zai.7d"],
        ),
    ],
)
def test_a_plan_that_will_not_last_is_due_while_that_is_of_use(state, due):
    assert keys(state) == due


def test_a_plan_that_will_not_last_is_told_of_in_the_words_of_the_status():
    [said] = notification_rules.due(running(SHORT))
    assert said.title == "Z.ai week likely to be used up early"
    assert said.body == short().text


class Course:
    """A tray that sees one status after the other; the next one has its memory."""

    def __init__(self, memory=None):
        self.memory = memory or Told()
        self.said: list[str] = []
        self._notifier = Notifier(lambda message: self.said.append(message.key), self.memory)

    def see(self, status, *, at, until=None):
        """See it at that time from `NOW` on, and each minute until the other."""
        while True:
            due = notification_rules.due(running(status, now=NOW + at))
            self._notifier.notify_new(due, NOW + at)
            at += MINUTE
            if until is None or at > until:
                return

    def restarted(self):
        return Course(self.memory)


def test_warning_of_a_week_is_said_once_when_it_has_held_for_a_while():
    course = Course()
    course.see(SHORT, at=0 * MINUTE, until=9 * MINUTE)
    assert course.said == []
    course.see(SHORT, at=10 * MINUTE, until=120 * MINUTE)
    assert course.said == ["week.zai"]


def test_each_plan_has_its_own_warning():
    course = Course()
    both = status_of(short_plans=(short(), short("anthropic")))
    course.see(SHORT, at=0 * MINUTE, until=15 * MINUTE)
    course.see(both, at=16 * MINUTE, until=60 * MINUTE)
    assert course.said == ["week.zai", "week.anthropic"]


def test_warning_that_comes_and_goes_is_not_said():
    course = Course()
    for minute in range(0, 120, 10):
        course.see(SHORT, at=minute * MINUTE, until=(minute + 8) * MINUTE)
        course.see(status_of(), at=(minute + 9) * MINUTE)
    assert course.said == []


def test_warning_that_was_said_and_comes_back_in_the_same_week_is_not_said_again():
    course = Course()
    for hour in (0, 5, 40):
        course.see(SHORT, at=hour * HOUR, until=hour * HOUR + 30 * MINUTE)
        course.see(status_of(), at=hour * HOUR + 31 * MINUTE)
    assert course.said == ["week.zai"]


def test_next_tray_says_the_warning_of_a_week_no_more():
    course = Course()
    course.see(SHORT, at=0 * MINUTE, until=15 * MINUTE)
    again = course.restarted()
    again.see(SHORT, at=16 * MINUTE, until=90 * MINUTE)
    assert again.said == []


def test_next_week_has_its_own_warning_though_this_ones_goes_right_on():
    course = Course()
    course.see(SHORT, at=0 * MINUTE, until=15 * MINUTE)
    begin = 3 * 24 * HOUR
    course.see(SHORT, at=begin - HOUR, until=begin - MINUTE)
    following = status_of(short_plans=(short(resets_in=begin + WEEK),))
    course.see(following, at=begin, until=begin + 9 * MINUTE)
    assert course.said == ["week.zai"]
    course.see(following, at=begin + 10 * MINUTE, until=begin + 120 * MINUTE)
    assert course.said == ["week.zai"] * 2


def test_reset_that_is_told_a_second_earlier_or_later_is_of_the_same_week():
    course = Course()
    for number in range(90):
        resets_in = 72 * HOUR + timedelta(seconds=number % 3 - 1)
        status = status_of(short_plans=(short(resets_in=resets_in),))
        course.see(status, at=number * MINUTE)
    assert course.said == ["week.zai"]


def test_another_account_has_a_week_of_its_own():
    course = Course()
    for account in ("first", "second", "first", "second"):
        quota = (plan_of("zai", window_of(used=0.6), account=account),)
        status = status_of(short_plans=(short(),), quota=quota)
        course.see(status, at=0 * MINUTE, until=15 * MINUTE)
    assert course.said == ["week.zai"] * 2


@pytest.mark.parametrize("back", [HOUR, 24 * HOUR, 400 * 24 * HOUR])
def test_clock_that_is_put_back_delays_nothing_and_repeats_nothing(back):
    course = Course()
    course.see(SHORT, at=back)
    course.see(SHORT, at=0 * MINUTE, until=10 * MINUTE)
    assert course.said == ["week.zai"]
    course.see(SHORT, at=-20 * MINUTE, until=90 * MINUTE)
    assert course.said == ["week.zai"]
    again = course.restarted()
    again.see(SHORT, at=-20 * MINUTE, until=90 * MINUTE)
    assert again.said == []


def test_warning_that_was_off_is_said_once_it_is_on():
    course = Course()
    notifier = Notifier(lambda message: course.said.append(message.key), course.memory)
    for minute in range(60):
        settings = TraySettings(notify_quota=minute >= 30)
        state = running(SHORT, settings=settings, now=NOW + minute * MINUTE)
        notifier.notify_new(notification_rules.due(state), state.now)
        assert course.said == (["week.zai"] if minute >= 40 else [])
