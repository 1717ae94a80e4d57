"""How a request ended at a backend: decided in one place, for all who hear of it."""

from __future__ import annotations

import pytest

from offramp_core.control import api
from offramp_daemon.messages.answers.errors import RETRY_AFTER, Failure
from offramp_daemon.messages.answers.outcome import (
    Outcome,
    of_abandoned,
    of_answer,
    of_cut,
    of_failure,
)
from offramp_daemon.messages.answers.usage_meter import UsageMeter

START = b'event: message_start\ndata: {"type":"message_start","message":{"model":"m"}}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"%s","message":"of it"}}\n\n'


def streamed(*pieces: bytes, coding: str = "", status: int = 200, is_delegated: bool) -> Outcome:
    meter = UsageMeter(content_type="text/event-stream", content_encoding=coding)
    for piece in pieces:
        meter.feed(piece)
    meter.finish()
    return of_answer(status, meter, is_delegated=is_delegated)


@pytest.mark.parametrize("is_delegated", [False, True])
def test_whole_answer_is_a_success_that_says_nothing_bad(is_delegated: bool) -> None:
    outcome = streamed(START, STOP, is_delegated=is_delegated)
    assert (outcome.status, outcome.kind, outcome.why) == ("success", None, None)
    assert outcome.was_passed_on


@pytest.mark.parametrize("is_delegated", [False, True])
def test_answer_in_an_unknown_coding_is_taken_for_whole(is_delegated: bool) -> None:
    outcome = streamed(b"?", coding="unheard-of", is_delegated=is_delegated)
    assert (outcome.status, outcome.kind) == ("success", None)


@pytest.mark.parametrize(("is_delegated", "kind"), [(False, None), (True, api.FAILING)])
def test_empty_stream_is_an_error_that_only_a_delegate_answers_for(
    is_delegated: bool, kind: str | None
) -> None:
    outcome = streamed(is_delegated=is_delegated)
    assert (outcome.status, outcome.kind) == ("error", kind)


@pytest.mark.parametrize(
    ("event", "of_claude", "of_delegate"),
    [
        (b"rate_limit_error", api.LIMIT, api.OVERLOADED),
        (b"overloaded_error", api.OVERLOADED, api.OVERLOADED),
        (b"api_error", api.FAILING, api.FAILING),
        (b"invalid_request_error", None, api.FAILING),
    ],
)
def test_error_event_means_the_same_to_whoever_hears_of_it(
    event: bytes, of_claude: str | None, of_delegate: str
) -> None:
    kinds = [
        streamed(START, ERROR % event, is_delegated=is_delegated).kind
        for is_delegated in (False, True)
    ]
    assert kinds == [of_claude, of_delegate]


def test_words_of_an_error_event_stay_out() -> None:
    named = streamed(START, ERROR % b"overloaded_error", is_delegated=False)
    assert named.why == "HTTP 200, overloaded_error"
    assert streamed(START, ERROR % b"Write_it", is_delegated=False).why == "HTTP 200"


@pytest.mark.parametrize(
    ("asked", "retry_after_s"), [("30", 30.0), (" 7 ", 7.0), ("soon", None), ("9" * 10, None)]
)
def test_failure_says_for_how_long_to_leave_the_service_alone(
    asked: str, retry_after_s: float | None
) -> None:
    failure = Failure(
        status=403,
        message="Offramp: zai says: Write it",
        diagnostic="code 1311",
        headers={RETRY_AFTER: asked},
        trouble=api.ACCOUNT,
        is_of_model=True,
        detail="HTTP 403, code 1311",
    )
    assert of_failure(failure) == Outcome(
        status="error",
        kind=api.ACCOUNT,
        scope="family",
        retry_after_s=retry_after_s,
        http_status=403,
        why="code 1311",
        was_reached=True,
        trouble_cause=api.ACCOUNT,
        detail="HTTP 403, code 1311",
    )


@pytest.mark.parametrize("refusal", [api.REFUSED, api.UNKNOWN_MODEL])
def test_refused_request_speaks_of_delegation_and_not_against_the_backend(refusal: str) -> None:
    outcome = of_failure(Failure(status=400, message="no", refusal=refusal))
    assert (outcome.kind, outcome.trouble_cause) == (None, refusal)


def test_fault_of_offramp_says_nothing_of_the_backend() -> None:
    outcome = of_failure(Failure(status=500, message="Offramp: internal error", is_internal=True))
    assert (outcome.kind, outcome.was_reached, outcome.why) == (None, False, "internal error")


def test_cut_stream_speaks_against_the_backend() -> None:
    outcome = of_cut("connection lost", 200)
    assert (outcome.status, outcome.kind, outcome.http_status) == ("error", api.FAILING, 200)


@pytest.mark.parametrize(("is_stopping", "status"), [(False, "cancelled"), (True, "error")])
def test_request_without_a_client_speaks_against_nobody(is_stopping: bool, status: str) -> None:
    outcome = of_abandoned(None, is_stopping=is_stopping)
    assert (outcome.status, outcome.kind, outcome.was_reached) == (status, None, False)
