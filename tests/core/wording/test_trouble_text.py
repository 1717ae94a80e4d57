"""Why delegation does not work, in sentences that fit wherever they are shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core.control import api
from offramp_core.control.api import DelegationTrouble
from offramp_core.wording import trouble_text

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def trouble(cause: str, **fields) -> DelegationTrouble:
    given = {"backend": "zai", "model": "claude-sonnet-5-5", "requests": 20, **fields}
    return DelegationTrouble(cause=cause, since=NOW, **given)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            trouble(api.REFUSED, detail="HTTP 400, code 1210"),
            "Z.ai refuses the requests for sonnet-5-5 (HTTP 400, code 1210), so Claude serves "
            "them: 20 so far.",
        ),
        (
            trouble(api.REFUSED, is_in_one_conversation=True, requests=3),
            "Z.ai refuses the requests of a conversation for sonnet-5-5, so Claude serves them: "
            "3 so far.",
        ),
        (
            trouble(api.UNKNOWN_MODEL, detail="HTTP 400, code 1211", requests=0),
            "Z.ai does not know the model sonnet-5-5 (HTTP 400, code 1211).",
        ),
        (
            trouble(api.EMPTY_ANSWERS, model="GLM-4.5-Air", requests=0),
            "Z.ai answers the requests for GLM-4.5-Air with nothing.",
        ),
        (
            trouble(api.KEPT, rule="context_size", is_in_one_conversation=True, requests=7),
            "The requests of a conversation for sonnet-5-5 stay on Claude, since they are longer "
            "than the route's context_tokens: 7 so far.",
        ),
        (
            trouble(api.KEPT, rule="images"),
            "All requests for sonnet-5-5 stay on Claude, since they hold images: 20 so far.",
        ),
        (
            trouble(api.KEPT, rule="of tomorrow"),
            "All requests for sonnet-5-5 stay on Claude, since the rule of tomorrow keeps them: "
            "20 so far.",
        ),
        (
            trouble("haunted", backend="mine"),
            "mine does not serve the requests for sonnet-5-5, so Claude serves them: 20 so far.",
        ),
    ],
)
def test_cause_is_named_with_the_model_and_what_claude_served(found, text):
    assert trouble_text.cause_text(found) == text


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (trouble(api.REFUSED), "Update Offramp"),
        (trouble(api.UNKNOWN_MODEL), "send_model"),
        (trouble(api.EMPTY_ANSWERS), "another model"),
        (trouble(api.KEY_REFUSED), "offramp key set zai"),
        (trouble(api.ACCOUNT), "plan"),
        (trouble(api.BUSY), "queue_wait_s"),
        (trouble(api.KEPT, rule="context_size"), "context_tokens"),
        (trouble(api.KEPT, rule="images"), "images = true"),
        (trouble(api.KEPT, rule="of_tomorrow"), "of_tomorrow = false"),
        (trouble("haunted"), "offramp doctor"),
    ],
)
def test_cure_names_what_to_change(found, word):
    assert word in trouble_text.cure_text(found)


NAMES = st.text(max_size=80)
CAUSES = st.sampled_from(
    [api.REFUSED, api.UNKNOWN_MODEL, api.EMPTY_ANSWERS, api.KEPT, api.BUSY, api.LIMIT, "new"]
)


@given(backend=NAMES, model=NAMES, cause=CAUSES, detail=NAMES, rule=NAMES)
def test_texts_are_short_printable_sentences_whatever_the_names(
    backend, model, cause, detail, rule
):
    found = trouble(cause, backend=backend, model=model, detail=detail, rule=rule)
    for text in (
        trouble_text.cause_text(found),
        trouble_text.cure_text(found),
        trouble_text.over_text(found),
    ):
        assert text.isprintable()
        assert len(text) < 400
