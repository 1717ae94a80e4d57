"""Notifications: four kinds, each once while its cause lasts, each a setting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tray_states import NOW, error_of, running, status_of

from offramp_core import control_api
from offramp_core.control_api import Pause
from offramp_core.settings import TraySettings
from offramp_tray import alerts
from offramp_tray.alerts import Herald
from offramp_tray.face import Notification
from offramp_tray.state import Presence, Quota

REFUSED = status_of(errors={"zai": error_of(control_api.KEY_REFUSED)})
LIMITED = status_of(errors={"zai": error_of(control_api.LIMIT)})


def keys(state):
    return [notification.key for notification in alerts.due(state)]


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (running(), []),
        (running(REFUSED), ["key.zai"]),
        (running(LIMITED), ["delegation.zai"]),
        (running(status_of(zai_key="missing")), ["delegation.zai"]),
        (running(status_of(zai_key="missing", key_note=control_api.KEY_AWAITED)), []),
        (running(status_of(zai_key="missing", pause=Pause(since=NOW))), []),
        (running(status_of(errors={"zai": error_of(control_api.OVERLOADED)})), []),
        (
            running(status_of(errors={"zai": error_of(control_api.OVERLOADED, count=3)})),
            ["delegation.zai"],
        ),
        (running(status_of(errors={"anthropic": error_of(control_api.LIMIT)})), []),
        (running(presence=Presence.NOT_RUNNING), []),
        (running(presence=Presence.NOT_RUNNING, is_missed=True), ["daemon"]),
        (running(quotas=(Quota(backend="zai", span="week", used=0.95),)), ["quota.zai.week"]),
        (running(quotas=(Quota(backend="zai", span="week", used=0.5),)), []),
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
        (running(quotas=(Quota(backend="zai", span="week", used=1.0),)), "notify_quota"),
    ],
)
def test_each_can_be_switched_off(state, setting):
    fields = {name: getattr(state, name) for name in ("status", "presence", "is_missed", "quotas")}
    assert keys(running(**fields))
    assert not keys(running(settings=TraySettings(**{setting: False}), **fields))


def test_words_say_what_happened_and_what_to_do():
    [refused] = alerts.due(running(REFUSED))
    assert refused.title == "Z.ai refused the key"
    assert "offramp key set" in refused.body
    [stopped] = alerts.due(running(LIMITED))
    assert stopped.title == "Delegation to Z.ai stopped working"
    assert "the limit is reached" in stopped.body


class Said:
    def __init__(self):
        self.keys: list[str] = []
        self.herald = Herald(lambda notification: self.keys.append(notification.key))

    def tell(self, *due: str, minutes: float = 0):
        notifications = tuple(Notification(key=key, title=key, body="") for key in due)
        self.herald.tell(notifications, NOW + timedelta(minutes=minutes))


def test_a_lasting_cause_is_said_once():
    said = Said()
    for minutes in (0, 1, 60, 60 * 48):
        said.tell("key.zai", minutes=minutes)
    assert said.keys == ["key.zai"]


def test_a_cause_that_comes_back_soon_is_no_news():
    said = Said()
    said.tell("daemon")
    said.tell(minutes=1)
    said.tell("daemon", minutes=5)
    assert said.keys == ["daemon"]


def test_a_cause_that_comes_back_after_long_is_news():
    said = Said()
    said.tell("daemon")
    said.tell(minutes=1)
    said.tell("daemon", minutes=60)
    assert said.keys == ["daemon", "daemon"]


def test_causes_are_told_one_by_one():
    said = Said()
    said.tell("a")
    said.tell("a", "b")
    assert said.keys == ["a", "b"]
