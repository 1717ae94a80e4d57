"""Why delegation does not work, in sentences that fit wherever they are shown."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trouble_samples import NOW, fallback, left, status_with, trouble

from offramp_core.control import api
from offramp_core.control.api import BackendError, BackendStatus, Bypass
from offramp_core.services import DELEGATE
from offramp_core.wording import trouble_text

FIELDS: dict[str, Any] = {"detail": "HTTP 400, code 1210"}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            trouble(**FIELDS),
            "Z.ai refuses Sonnet 5.5 requests (HTTP 400, code 1210), so Claude serves them: "
            "20 so far.",
        ),
        (
            trouble(is_in_one_conversation=True, requests=3),
            "Z.ai refuses Sonnet 5.5 requests of one conversation, so Claude serves them: "
            "3 so far.",
        ),
        (
            trouble(api.UNKNOWN_MODEL, detail="HTTP 400, code 1211", requests=0),
            "Z.ai does not know the model claude-sonnet-5-5 (HTTP 400, code 1211).",
        ),
        (
            trouble(api.UNKNOWN_MODEL, model="claude-sonnet-5-5"),
            "Z.ai does not know the model claude-sonnet-5-5, so Claude serves its requests: "
            "20 so far.",
        ),
        (
            trouble(api.EMPTY_ANSWERS, model="GLM-4.5-Air", requests=0),
            "Z.ai gives empty answers to GLM-4.5-Air requests.",
        ),
        (
            trouble(api.KEPT, rule="context_size", is_in_one_conversation=True, requests=7),
            "Sonnet 5.5 requests of one conversation stay on Claude, because they exceed the "
            "route's context_tokens: 7 so far.",
        ),
        (
            trouble(api.KEPT, rule="images"),
            "All Sonnet 5.5 requests stay on Claude, because they contain images: 20 so far.",
        ),
        (
            trouble(api.KEPT, rule="of tomorrow"),
            "All Sonnet 5.5 requests stay on Claude, because the rule of tomorrow keeps them: "
            "20 so far.",
        ),
        (
            trouble(api.KEY_REFUSED),
            "Z.ai refuses the key, so Claude serves Sonnet 5.5 requests: 20 so far.",
        ),
        (
            trouble("haunted", backend="mine"),
            "mine does not serve Sonnet 5.5 requests, so Claude serves them: 20 so far.",
        ),
    ],
)
def test_cause_is_named_with_the_model_and_what_claude_served(found, text):
    assert trouble_text.cause_text(found) == text


@pytest.mark.parametrize(
    ("ago", "since"),
    [
        (timedelta(hours=3), "20 since 09:00."),
        (timedelta(days=2), "20 since Mon 12:00."),
        (timedelta(days=40), "20 since 2026-10-16 12:00."),
    ],
)
def test_cause_says_since_when_where_the_clock_is_known(ago, since):
    text = trouble_text.cause_text(trouble(since=NOW - ago), NOW, UTC)
    assert text.endswith(f"so Claude serves them: {since}")


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (trouble(), "Update Offramp"),
        (
            trouble(api.UNKNOWN_MODEL),
            f"send_model for this route in config.toml to a model that "
            f"Z.ai serves, such as {DELEGATE.overflow_model}.",
        ),
        (trouble(api.UNKNOWN_MODEL, backend="mine"), "to a model that mine serves."),
        (trouble(api.EMPTY_ANSWERS), "another model"),
        (trouble(api.KEY_REFUSED), "offramp key set zai"),
        (trouble(api.ACCOUNT), "plan"),
        (trouble(api.BUSY), "queue_wait_s"),
        (trouble(api.UNREACHABLE), "offramp doctor"),
        (trouble(api.KEPT, rule="context_size"), "context_tokens"),
        (trouble(api.KEPT, rule="images"), "images = true"),
        (trouble(api.KEPT, rule="documents"), "documents = true"),
        (trouble(api.KEPT, rule="of_tomorrow"), "of_tomorrow = false"),
        (trouble("haunted"), "offramp doctor"),
    ],
)
def test_cure_names_what_to_change(found, word):
    assert word in trouble_text.cure_text(found)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("claude-sonnet-5-5", "Sonnet 5.5"),
        ("claude-sonnet-4-5-20250929", "Sonnet 4.5"),
        ("claude-opus-4-20250514", "Opus 4"),
        ("claude-3-5-haiku-20241022", "Haiku 3.5"),
        ("claude-3-5-haiku-latest", "Haiku 3.5"),
        ("Claude-Fable-5-2[1m]", "Fable 5.2"),
        ("GLM-4.5-Air", "GLM-4.5-Air"),
        ("sonnet", "sonnet"),
        ("anthropic/claude-sonnet-5-5", "anthropic/claude-sonnet-5-5"),
        ("claude-", "claude-"),
        ("x\x1b[2J", "x?[2J"),
    ],
)
def test_model_is_called_what_people_call_it(name, title):
    assert trouble_text.model_title(name) == title


def test_next_try_is_told_until_it_is_due():
    later = trouble(next_try=NOW + timedelta(minutes=15))
    assert trouble_text.next_try_text(later, NOW, UTC) == "Z.ai is tried again at 12:15."
    for each in (trouble(), trouble(next_try=NOW), trouble(next_try=NOW - timedelta(hours=1))):
        assert trouble_text.next_try_text(each, NOW, UTC) == ""


def test_fallback_names_both_models_until_when_and_how_to_keep_it():
    found = fallback(until=NOW + timedelta(days=1))
    assert trouble_text.fallback_text(found, NOW, UTC) == (
        "Z.ai does not know the model claude-sonnet-5-5, so GLM-4.7 is sent in its place until "
        "Thu 12:00."
    )
    assert 'send_model = "GLM-4.7"' in trouble_text.fallback_cure_text(found)


@pytest.mark.parametrize(
    ("troubles", "models"),
    [
        ((), ""),
        ((trouble(),), "Sonnet 5.5"),
        ((trouble(), trouble(api.EMPTY_ANSWERS)), "Sonnet 5.5"),
        ((trouble(), trouble(model="GLM-4.5-Air")), "Sonnet 5.5 and GLM-4.5-Air"),
        (tuple(trouble(model=f"m{number}") for number in range(4)), "4 models"),
        ((trouble(api.KEPT, rule="images"), trouble(is_in_one_conversation=True)), ""),
    ],
)
def test_models_are_stopped_unless_a_rule_or_one_conversation_is_concerned(troubles, models):
    assert trouble_text.stopped_models(troubles) == models


def bypass(cause: str, **fields: Any) -> BackendStatus:
    return BackendStatus(
        name="zai",
        key="present",
        bypass=Bypass(to="anthropic", since=NOW, cause=cause, **fields),
    )


FAILED = BackendStatus(
    name="zai", key="present", last_error=BackendError(at=NOW, kind=api.KEY_REFUSED, why="Refused.")
)


@pytest.mark.parametrize(
    ("backend", "found", "is_told"),
    [
        (bypass(api.KEY_REFUSED), trouble(api.KEY_REFUSED), False),
        (bypass(api.KEY_REFUSED), trouble(), True),
        (bypass(api.ACCOUNT, family="claude-sonnet-5-5"), trouble(api.ACCOUNT), False),
        (bypass(api.ACCOUNT, family="GLM-4.5-Air"), trouble(api.ACCOUNT), True),
        (FAILED, trouble(api.KEY_REFUSED), False),
        (FAILED, trouble(), True),
        (FAILED, trouble(api.KEY_REFUSED, backend="mine"), True),
    ],
)
def test_what_the_backends_status_explains_is_not_said_twice(backend, found, is_told):
    assert trouble_text.unexplained(status_with(found, backend=backend)) == (found,) * is_told


NAMES = st.text(max_size=80)
CAUSES = st.sampled_from(
    [api.REFUSED, api.UNKNOWN_MODEL, api.EMPTY_ANSWERS, api.KEPT, api.BUSY, api.LIMIT, "new"]
)


@given(backend=NAMES, model=NAMES, cause=CAUSES, detail=NAMES, rule=NAMES, is_one=st.booleans())
def test_texts_are_short_printable_sentences_whatever_the_names(
    backend, model, cause, detail, rule, is_one
):
    found = trouble(
        cause,
        backend=backend,
        model=model,
        detail=detail,
        rule=rule,
        is_in_one_conversation=is_one,
    )
    for text in (
        trouble_text.cause_text(found),
        trouble_text.cause_text(found, NOW, UTC),
        trouble_text.cure_text(found),
        trouble_text.title_text(found),
        trouble_text.over_text(found),
        trouble_text.stopped_models([found]),
        trouble_text.fallback_text(fallback(backend=backend, model=model, sent=rule), NOW, UTC),
    ):
        assert text.isprintable()
        assert len(text) < 400


@pytest.mark.parametrize(
    ("found", "words", "command"),
    [
        (None, "settings.json contains no address.", "offramp connect."),
        ("https://gw.example", "settings.json sends it to https://gw.example.", "--force."),
        ("https://gw.example/" + "x" * 500, "x….", "--force."),
        ("https://gw.example/\n\x1b[2J", "https://gw.example/??[2J.", "--force."),
    ],
)
def test_client_that_left_is_named_with_its_settings_and_the_way_back(found, words, command):
    problem = left(found)
    text = trouble_text.client_text(problem)
    assert text.startswith("Claude Code no longer uses Offramp: /home/ada/.claude/")
    assert text.endswith(words)
    assert len(text) < 250
    assert command in trouble_text.client_cure_text(problem)
    assert "offramp disconnect" in trouble_text.client_cure_text(problem)


def test_title_says_what_does_not_happen():
    assert trouble_text.title_text(trouble()) == "Z.ai does not serve Sonnet 5.5"
    kept = trouble(api.KEPT, rule="images")
    assert trouble_text.title_text(kept) == "Sonnet 5.5 requests stay on Claude"
