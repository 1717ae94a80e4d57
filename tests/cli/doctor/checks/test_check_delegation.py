"""The check of delegation: what the daemon met, how grave it is, and what to do."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from doctor_harness import said, severities
from trouble_samples import NOW, fallback, status_with, trouble

from offramp_cli.doctor.checks import check_delegation
from offramp_core.control import api
from offramp_core.control.api import BackendError, BackendStatus, Bypass, Pause
from offramp_core.wording import trouble_text


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (None, ["note"], "Not known"),
        (status_with(), ["ok"], "Nothing keeps requests"),
        (status_with(delegation="never"), ["ok"], "off in the settings"),
        (status_with(pause=Pause(since=NOW)), ["note"], "offramp resume"),
        (
            status_with(backend=BackendStatus(name="zai", key="missing")),
            ["note"],
            "no key for Z.ai",
        ),
        (
            status_with(backend=BackendStatus(name="kimi", key="missing", is_used=False)),
            ["ok"],
            "Nothing keeps requests",
        ),
        (status_with(trouble()), ["failure"], "Update Offramp"),
        (status_with(trouble(is_in_one_conversation=True)), ["warning"], "of one conversation"),
        (status_with(trouble(api.KEPT, rule="context_size")), ["warning"], "context_tokens"),
        (status_with(trouble(api.KEY_REFUSED)), ["failure"], "offramp key set zai"),
        (status_with(fallbacks=(fallback(),)), ["note"], 'send_model = "GLM-4.7"'),
        (
            status_with(
                trouble(),
                trouble(api.EMPTY_ANSWERS, model="GLM-4.5-Air"),
                fallbacks=(fallback(),),
            ),
            ["failure", "failure", "note"],
            "empty answers",
        ),
    ],
)
def test_delegation_is_judged(status, expected, words):
    remarks = [*check_delegation.judge(status, now=NOW, zone=UTC)]
    assert severities(remarks) == expected
    assert words in said(remarks)


@pytest.mark.parametrize(
    "cause", [api.REFUSED, api.UNKNOWN_MODEL, api.EMPTY_ANSWERS, api.KEPT, api.LIMIT, "new"]
)
def test_each_trouble_has_its_cause_its_cure_and_the_next_try(cause):
    found = trouble(cause, next_try=NOW + timedelta(minutes=5), rule="images")
    [remark] = check_delegation.judge(status_with(found), now=NOW, zone=UTC)
    assert remark.saw == trouble_text.cause_text(found, NOW, UTC)
    assert remark.cure == f"{trouble_text.cure_text(found)} Z.ai is tried again at 12:05."


def zai(cause: str, why: str = "zai refused it with HTTP status 500", **fields) -> BackendStatus:
    """Z.ai, bypassed for `cause`."""
    error = BackendError(at=NOW, kind=cause, why=why)
    bypass = Bypass(to="anthropic", since=NOW, cause=cause, family="claude-sonnet-5-5")
    values = {"bypass": bypass, "last_error": error, **fields}
    return BackendStatus(name="zai", key="present", **values)


@pytest.mark.parametrize(
    ("cause", "severity", "words"),
    [
        (api.KEY_REFUSED, "failure", "offramp key set zai"),
        (api.ACCOUNT, "failure", "Check your plan"),
        (api.LIMIT, "warning", "Wait until the quota resets"),
        (api.OVERLOADED, "warning", "tried again"),
        (api.FAILING, "warning", "HTTP status 500"),
        (api.UNREACHABLE, "warning", "Check the network"),
        ("of tomorrow", "warning", "update Offramp"),
    ],
)
def test_bypassed_backend_is_found_with_its_cure(cause, severity, words):
    remarks = [*check_delegation.judge(status_with(backend=zai(cause)), now=NOW, zone=UTC)]
    assert severities(remarks) == [severity]
    assert words in said(remarks)


def test_bypass_that_explains_a_trouble_is_said_once():
    status = status_with(trouble(api.KEY_REFUSED), backend=zai(api.KEY_REFUSED))
    assert severities([*check_delegation.judge(status, now=NOW, zone=UTC)]) == ["failure"]


def test_wrong_address_is_named():
    why = "zai refused it with HTTP status 200, a web page; ZAI_BASE_URL may be wrong"
    status = status_with(backend=zai(api.FAILING, why))
    assert "ZAI_BASE_URL may be wrong." in said(
        [*check_delegation.judge(status, now=NOW, zone=UTC)]
    )


def test_error_without_a_bypass_is_a_warning():
    status = status_with(backend=zai(api.BUSY, bypass=None))
    remarks = [*check_delegation.judge(status, now=NOW, zone=UTC)]
    assert severities(remarks) == ["warning"]
    assert "Z.ai failed at 12:00" in said(remarks)


@pytest.mark.parametrize(
    ("rest", "severity"), [({"pause": Pause(since=NOW)}, "note"), ({"delegation": "never"}, "ok")]
)
def test_backend_that_rests_is_not_judged(rest, severity):
    status = status_with(backend=zai(api.FAILING), **rest)
    assert severities([*check_delegation.judge(status, now=NOW, zone=UTC)]) == [severity]
