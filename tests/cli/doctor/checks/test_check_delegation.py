"""The check of delegation: what the daemon met, how grave it is, and what to do."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from doctor_harness import said, severities
from trouble_samples import NOW, fallback, status_with, trouble

from offramp_cli.doctor.checks import check_delegation
from offramp_core.control import api
from offramp_core.wording import trouble_text


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (None, ["note"], "Not known"),
        (status_with(), ["ok"], "nothing that keeps requests"),
        (status_with(delegation="never"), ["ok"], "off in the settings"),
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
