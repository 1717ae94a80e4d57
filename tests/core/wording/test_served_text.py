"""Who served a request and why, in a few words."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest
from served_records import record_of
from tray_states import NOW, bypass_of, status_of

from offramp_core.control import api
from offramp_core.control.api import Pause
from offramp_core.wording.served_text import served_text

if TYPE_CHECKING:
    from offramp_core.usage.records import RequestRecord

STATUS = status_of()
SKIPPED = "skipped (refused: HTTP 400, code 1210)"


def text_of(record: RequestRecord, status=STATUS) -> str:
    return served_text(record, status, NOW, UTC).text


@pytest.mark.parametrize(
    ("model", "served", "text"),
    [
        ("claude-sonnet-5-5", "glm-4.7", "Sonnet → GLM-4.7"),
        ("claude-3-5-haiku-20241022", "glm-4.5-air", "Haiku → GLM-4.5-Air"),
        ("claude-sonnet-5-5[1m]", "GLM-5.2", "Sonnet → GLM-5.2"),
        ("claude-sonnet-5-5", "glm-9-next", "Sonnet → glm-9-next"),
        ("claude-sonnet-5-5", None, "Sonnet → Z.ai"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5", "Sonnet → Z.ai"),
        ("glm-4.7", "glm-4.7", "GLM-4.7"),
        ("odd\x1b[2Jname", "glm-4.7", "odd?[2Jname → GLM-4.7"),
    ],
)
def test_delegated_request_names_the_model_that_answered(model, served, text):
    assert text_of(record_of(model=model, served_model=served)) == text


def test_claudes_own_request_has_no_cause():
    served = served_text(
        record_of("default", "anthropic", model="claude-opus-5-5"), STATUS, NOW, UTC
    )
    assert (served.text, served.has_cause, served.is_trouble) == ("Opus → Claude", False, False)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("zai failed (quota spent), served by anthropic", "Z.ai quota used up"),
        ("zai bypassed (limit), served by anthropic", "Z.ai quota used up"),
        ("zai bypassed (quota spent), served by anthropic", "Z.ai quota used up"),
        ("zai failed (overloaded), served by anthropic", "Z.ai is overloaded"),
        ("zai failed (refused it), served by anthropic", "Z.ai refused it"),
        (f"zai {SKIPPED}, served by anthropic", "Z.ai refused it"),
        ("zai skipped (unknown model), served by anthropic", "Z.ai does not know the model"),
        ("zai failed (key refused), served by anthropic", "Z.ai refuses the key"),
        ("zai failed (next year's), served by anthropic", "Z.ai did not serve it"),
        ("kimi failed (failing), served by anthropic", "Kimi fails"),
        ("mine failed (failing), served by anthropic", "mine fails"),
        (
            "zai failed (busy), served by anthropic, empty answer",
            "Z.ai is at its concurrency limit",
        ),
        ("no key for zai", "no key for Z.ai"),
    ],
)
def test_trouble_of_the_delegate_is_said(reason, cause):
    served = served_text(record_of(reason, "anthropic"), STATUS, NOW, UTC)
    assert served.text == f"Sonnet → Claude: {cause}"
    assert served.is_trouble


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("kept: images", "it has images"),
        ("kept: next_rule", "kept by next_rule"),
        ("delegation is off", "delegation is off"),
        ("conversation goes on", "its conversation is there"),
        ("Sonnet on Claude: the week is 12 % under pace", "autopilot, the week is 12 % under pace"),
    ],
)
def test_choice_is_said_and_is_no_trouble(reason, cause):
    served = served_text(record_of(reason, "anthropic"), STATUS, NOW, UTC)
    assert (served.text, served.is_trouble) == (f"Sonnet → Claude: {cause}", False)


def test_autopilots_words_for_a_delegated_request_are_said_too():
    assert text_of(record_of("Sonnet on Z.ai: Opus needs the rest of the week")) == (
        "Sonnet → GLM-4.7: autopilot, Opus needs the rest of the week"
    )


@pytest.mark.parametrize(
    ("bypass", "end"),
    [
        (bypass_of(api.LIMIT), " until 16:00"),
        (bypass_of(api.LIMIT, until=None), ""),
        (bypass_of(api.LIMIT, until=NOW - timedelta(minutes=1)), ""),
        (bypass_of(api.OVERLOADED), ""),
        (None, ""),
    ],
)
def test_cause_has_an_end_only_while_it_lasts(bypass, end):
    status = status_of(bypasses={"zai": bypass} if bypass else {})
    record = record_of("zai bypassed (quota spent), served by anthropic", "anthropic")
    assert text_of(record, status) == f"Sonnet → Claude: Z.ai quota used up{end}"


@pytest.mark.parametrize(
    ("pause", "cause"),
    [
        (Pause(since=NOW), "delegation paused"),
        (Pause(since=NOW, until=NOW + timedelta(hours=1)), "delegation paused until 14:00"),
        (None, "delegation was paused"),
    ],
)
def test_pause_is_said_as_it_is_now(pause, cause):
    text = text_of(record_of("paused", "anthropic"), status_of(pause=pause))
    assert text == f"Sonnet → Claude: {cause}"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"http_status": 500}, "Sonnet → GLM-4.7 failed (HTTP 500)"),
        ({"http_status": None}, "Sonnet → GLM-4.7 failed"),
        ({"backend": None, "http_status": 400}, "Sonnet → nobody failed (HTTP 400)"),
    ],
)
def test_failure_is_said(fields, text):
    values = {"backend": "zai", **fields}
    assert text_of(record_of(status="error", **values)) == text


def test_overflow_says_why_a_delegate_served_it():
    record = record_of("overflow: the Claude plan is spent", model="claude-opus-5-5")
    assert text_of(record) == "Opus → GLM-4.7: Claude plan used up"
