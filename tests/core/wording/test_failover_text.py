"""What goes elsewhere, why, and until when: in one line that claims no more than is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quota_samples import plan_of

from offramp_core.control import api
from offramp_core.control.api import BackendStatus, Bypass, RecordsStatus, Status
from offramp_core.quota.windows import QuotaWindow
from offramp_core.wording import failover_text

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=4)
SPENT = plan_of(
    "zai",
    QuotaWindow(name="7d", used=0.4, resets=NOW + timedelta(days=3), read_at=NOW),
    QuotaWindow(name="5h", used=1.0, resets=UNTIL, read_at=NOW),
)
ROUTED = ("sonnet", "haiku")


def backend(
    cause: str, *, until: datetime | None = UNTIL, name: str = "zai", to="anthropic", family=None
):
    since = NOW - timedelta(hours=1)
    bypass = Bypass(to=to, since=since, cause=cause, until=until, family=family)
    return BackendStatus(name=name, key="present", bypass=bypass)


@pytest.mark.parametrize(
    ("found", "plan", "routed", "text"),
    [
        (
            backend(api.LIMIT),
            SPENT,
            ROUTED,
            "Z.ai's quota is used up (5 hours): Sonnet and Haiku go to Claude until 14:00",
        ),
        (
            backend(api.LIMIT, until=None),
            None,
            ("sonnet",),
            "Z.ai's quota is used up: Sonnet goes to Claude",
        ),
        (
            backend(api.UNREACHABLE, until=NOW),
            SPENT,
            ("sonnet", "haiku", "my-own"),
            "Z.ai can't be reached: Sonnet, Haiku and my own go to Claude",
        ),
        (
            backend(api.LIMIT),
            None,
            ("a", "b", "c", "d"),
            "Z.ai's quota is used up: its requests go to Claude until 14:00",
        ),
        (
            backend(api.OVERLOADED),
            SPENT,
            ROUTED,
            "Z.ai is overloaded: what it can't serve goes to Claude until 14:00",
        ),
        (
            backend(api.ACCOUNT, until=None, family="glm-4.7"),
            SPENT,
            ROUTED,
            "Your Z.ai account or plan does not allow this: requests for glm-4.7 go to Claude",
        ),
        (
            backend(api.FAILING, family="claude-sonnet-5-5"),
            None,
            ROUTED,
            "Z.ai keeps failing: requests for Sonnet 5.5 go to Claude until 14:00",
        ),
        (
            backend("something new"),
            None,
            ROUTED,
            "Z.ai can't serve it right now: what it can't serve goes to Claude until 14:00",
        ),
        (
            backend(api.LIMIT, name="anthropic", to="zai"),
            None,
            (),
            "Claude's quota is used up: its requests go to Z.ai until 14:00",
        ),
        (BackendStatus(name="zai", key="present"), SPENT, ROUTED, ""),
    ],
)
def test_bypass_is_told_with_cause_effect_and_end(found, plan, routed, text):
    assert failover_text.bypass_text(found, plan, NOW, BERLIN, routed) == text


@pytest.mark.parametrize(
    ("waiting", "at_once", "text"),
    [
        (0, 2, ""),
        (1, 2, "Z.ai serves 2 at once: 1 request waits"),
        (3, None, "Z.ai: 3 requests wait"),
    ],
)
def test_waiting_is_told_only_while_something_waits(waiting, at_once, text):
    found = BackendStatus(name="zai", key="present", waiting=waiting, at_once=at_once)
    assert failover_text.waiting_text(found) == text


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.lists(st.text()), st.datetimes(timezones=st.just(UTC)))
def test_any_bypass_is_one_printable_line(name, to, cause, routed, until):
    found = backend(cause, name=name, to=to, until=until)
    assert failover_text.bypass_text(found, SPENT, NOW, BERLIN, routed).isprintable()


@pytest.mark.parametrize(
    ("cause", "family", "name", "is_the_users"),
    [
        (api.KEY_REFUSED, None, "Z.ai", True),
        (api.LIMIT, None, "Z.ai", False),
        (api.UNREACHABLE, None, "Z.ai", False),
        (api.ACCOUNT, "glm-5.4", "", True),
        (api.LIMIT, "glm-5.4", "", False),
        (api.OVERLOADED, None, "", False),
    ],
)
def test_backend_that_gets_nothing_is_named(
    cause: str, family: str | None, name: str, *, is_the_users: bool
) -> None:
    bypass = Bypass(to="anthropic", since=NOW, cause=cause, family=family)
    status = Status(
        pid=1,
        started=NOW,
        uptime_s=1,
        address="http://localhost:3001",
        backends=(BackendStatus(name="zai", key="present", bypass=bypass),),
        records=RecordsStatus(written=0, waiting=0, lost=0),
        settings_file="/c",
    )
    assert failover_text.unreached(status) == name
    assert failover_text.must_be_fixed(status) is is_the_users
