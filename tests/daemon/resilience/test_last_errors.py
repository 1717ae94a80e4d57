"""What is remembered of a backend that fails: the kind, how often in a row, and no content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from proxy_harness import ZAI_KEY, settings_for

from offramp_core.control import api
from offramp_core.settings import ANTHROPIC, Secret
from offramp_daemon.exchange import Exchange
from offramp_daemon.messages import errors as failures
from offramp_daemon.messages.errors import ServiceError
from offramp_daemon.messages.request_body import read
from offramp_daemon.messages.usage_meter import Meter
from offramp_daemon.resilience.last_errors import BackendErrors
from offramp_daemon.routing.router import Decision

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
def errors(clock: Clock) -> BackendErrors:
    return BackendErrors(clock)


def begun() -> Exchange:
    """An exchange of which nothing is known yet."""
    request = make_mocked_request("POST", "/v1/messages")
    exchange = Exchange(request, SETTINGS, lambda _exchange: None)
    exchange.body = read(b'{"model": "claude-sonnet-4-5"}')
    return exchange


def ended(backend, status="error", **fields: Any) -> Exchange:
    """An exchange with `backend` that ended so."""
    exchange = begun()
    exchange.send_to(Decision(backend=backend, reason="route sonnet"))
    for name, value in fields.items():
        setattr(exchange, name, value)
    exchange.finish(status)
    return exchange


def refused(backend, code: str, status: int = 429) -> Exchange:
    failure = failures.from_delegate(
        backend.name, status, ServiceError(code=code, message="secret")
    )
    why = f"zai refused it with HTTP status {status}, code {code}"
    return ended(backend, http_status=failure.status, cause=why, trouble=failure.trouble)


def test_a_backend_without_failures_has_no_error(errors):
    errors.note(ended(ZAI, "success", http_status=200))
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
    errors.note(refused(ZAI, code))
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
    errors.note(ended(CLAUDE, http_status=status))
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
    meter = Meter(content_type="text/event-stream", content_encoding="")
    meter.error_type = event
    errors.note(ended(CLAUDE, http_status=200, meter=meter))
    error = errors.of(CLAUDE)
    assert (error.kind if error else None) == kind


def test_failures_in_a_row_are_counted_and_an_answer_ends_the_row(errors, clock):
    errors.note(refused(ZAI, "1302"))
    clock.now += timedelta(minutes=1)
    errors.note(refused(ZAI, "1302"))
    error = errors.of(ZAI)
    assert error is not None
    assert (error.count, error.at) == (2, NOW + timedelta(minutes=1))
    errors.note(ended(ZAI, "success", http_status=200))
    assert errors.of(ZAI) is None


def test_what_says_nothing_of_the_backend_changes_nothing(errors):
    errors.note(refused(ZAI, "1308"))
    before = errors.of(ZAI)
    errors.note(ended(ZAI, "cancelled"))
    errors.note(ended(ZAI, http_status=400, cause="the request body is broken"))
    errors.note(begun())
    assert errors.of(ZAI) == before
    assert errors.of(CLAUDE) is None


def test_a_backend_with_a_new_key_begins_anew(errors):
    errors.note(refused(ZAI, "1002", 401))
    renewed = msgspec.structs.replace(ZAI, key=Secret(ZAI_KEY[::-1]))
    assert errors.of(renewed) is None
    errors.note(refused(renewed, "1002", 401))
    error = errors.of(renewed)
    assert error is not None
    assert error.count == 1


def test_a_long_reason_is_cut(errors):
    errors.note(ended(ZAI, http_status=502, cause="x" * 1000, trouble=api.UNREACHABLE))
    error = errors.of(ZAI)
    assert error is not None
    assert len(error.why) == 200
