"""What is remembered of a backend that fails: the kind, how often in a row, and no content."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from proxy_harness import ZAI_KEY, settings_for

from offramp_core.control import api
from offramp_core.services import zai
from offramp_core.settings import ANTHROPIC, Secret
from offramp_daemon.exchange import Exchange
from offramp_daemon.messages.answers.error_bodies import ServiceError
from offramp_daemon.messages.answers.errors import Failure, from_delegate
from offramp_daemon.messages.answers.outcome import of_abandoned, of_answer, of_failure
from offramp_daemon.messages.answers.usage_meter import UsageMeter
from offramp_daemon.messages.request_body import read
from offramp_daemon.resilience.last_errors import LastErrors
from offramp_daemon.routing.router import Decision

if TYPE_CHECKING:
    from offramp_core.settings import Backend
    from offramp_daemon.messages.answers.outcome import Outcome

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SETTINGS = settings_for("http://127.0.0.1:9", "http://127.0.0.1:9")
ZAI = SETTINGS.backend("zai")
CLAUDE = SETTINGS.backend(ANTHROPIC)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def errors(clock: Clock) -> LastErrors:
    return LastErrors(clock)


def begun() -> Exchange:
    """An exchange of which nothing is known yet."""
    return Exchange(make_mocked_request("POST", "/v1/messages"), SETTINGS)


def ended(errors: LastErrors, backend: Backend, outcome: Outcome) -> None:
    """Have a request to `backend` end with `outcome`."""
    exchange = begun()
    exchange.body = read(b'{"model": "claude-sonnet-4-5"}')
    exchange.send_to(Decision(backend=backend, reason="route sonnet"))
    errors.note_outcome(exchange, outcome)


def refused(code: str, status: int = 429) -> Outcome:
    error = ServiceError(code=code, message="secret")
    failure = from_delegate("zai", status, error, zai.SERVICE)
    return of_failure(dataclasses.replace(failure, diagnostic=f"code {code}"))


def answered(status: int, event: str | None = None, *, is_delegated: bool = False) -> Outcome:
    meter = UsageMeter(content_type="text/event-stream", content_encoding="")
    meter.error_type = event
    meter.is_empty = False
    meter.is_complete = event is None
    return of_answer(status, meter, is_delegated=is_delegated)


def test_a_backend_without_failures_has_no_error(errors):
    ended(errors, ZAI, answered(200))
    assert errors.of(ZAI) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("1308", api.LIMIT),
        ("1302", api.BUSY),
        ("1002", api.KEY_REFUSED),
        ("1113", api.ACCOUNT),
        ("1234", api.FAILING),
    ],
)
def test_a_delegates_code_tells_the_kind_and_its_words_stay_out(errors, code, kind):
    ended(errors, ZAI, refused(code))
    error = errors.of(ZAI)
    assert error is not None
    assert (error.kind, error.at, error.count) == (kind, NOW, 1)
    assert "secret" not in api.encode(error).decode()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, api.LIMIT),
        (529, api.OVERLOADED),
        (500, api.FAILING),
        (404, None),
        (400, None),
        (401, None),
        (413, None),
    ],
)
def test_anthropics_own_errors_count_unless_the_request_is_at_fault(errors, status, kind):
    ended(errors, CLAUDE, answered(status))
    error = errors.of(CLAUDE)
    assert (error.kind if error else None) == kind


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("overloaded_error", api.OVERLOADED),
        ("rate_limit_error", api.LIMIT),
        ("invalid_request_error", None),
    ],
)
def test_an_error_within_a_stream_counts_like_one_before_it(errors, event, kind):
    ended(errors, CLAUDE, answered(200, event))
    error = errors.of(CLAUDE)
    assert (error.kind if error else None) == kind


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("overloaded_error", api.OVERLOADED),
        ("rate_limit_error", api.OVERLOADED),  # a limit for the moment has this name, too
        ("invalid_request_error", api.FAILING),  # it took the request, so that is not at fault
        ("1234", api.FAILING),
    ],
)
def test_error_within_a_delegates_stream_is_passing_trouble(errors, event, kind):
    ended(errors, ZAI, answered(200, event, is_delegated=True))
    error = errors.of(ZAI)
    assert error is not None
    assert error.kind == kind


def test_failures_in_a_row_are_counted_and_an_answer_ends_the_row(errors, clock):
    ended(errors, ZAI, refused("1302"))
    clock.now += timedelta(minutes=1)
    ended(errors, ZAI, refused("1302"))
    error = errors.of(ZAI)
    assert error is not None
    assert (error.count, error.at) == (2, NOW + timedelta(minutes=1))
    ended(errors, ZAI, answered(200))
    assert errors.of(ZAI) is None


def test_what_says_nothing_of_the_backend_changes_nothing(errors):
    ended(errors, ZAI, refused("1308"))
    before = errors.of(ZAI)
    ended(errors, ZAI, of_abandoned(None, is_stopping=False))
    ended(errors, ZAI, of_abandoned(None, is_stopping=True))
    ended(errors, ZAI, of_failure(Failure(status=400, message="the request body is broken")))
    errors.note_outcome(begun(), refused("1308"))
    assert errors.of(ZAI) == before
    assert errors.of(CLAUDE) is None


def test_a_backend_with_a_new_key_begins_anew(errors):
    ended(errors, ZAI, refused("1002", 401))
    renewed = msgspec.structs.replace(ZAI, key=Secret(ZAI_KEY[::-1]))
    assert errors.of(renewed) is None
    ended(errors, renewed, refused("1002", 401))
    error = errors.of(renewed)
    assert error is not None
    assert error.count == 1


def test_a_long_reason_is_cut(errors):
    ended(errors, ZAI, of_failure(Failure(status=502, message="x" * 1000, trouble=api.UNREACHABLE)))
    error = errors.of(ZAI)
    assert error is not None
    assert len(error.why) == 200
