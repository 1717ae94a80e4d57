"""One request from its arrival to its record: each outcome is reported, whoever fails meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp.test_utils import make_mocked_request
from proxy_harness import settings_for

from offramp_daemon.exchange import Exchange
from offramp_daemon.messages.outcome import of_abandoned

if TYPE_CHECKING:
    import pytest

    from offramp_daemon.messages.outcome import Outcome

SETTINGS = settings_for("http://127.0.0.1:9", "http://127.0.0.1:9")
LEFT = of_abandoned(200, is_stopping=False)


def test_listener_that_fails_keeps_no_other_one_from_the_outcome(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Outcome] = []

    def fail(_exchange: Exchange, _outcome: Outcome) -> None:
        raise RuntimeError("a bug")

    def hear(_exchange: Exchange, outcome: Outcome) -> None:
        heard.append(outcome)

    request = make_mocked_request("POST", "/v1/messages")
    Exchange(request, SETTINGS, (fail, hear)).finish(LEFT)
    assert heard == [LEFT]
    assert "a bug" in caplog.text


def test_exchange_that_has_ended_reports_no_second_outcome() -> None:
    heard: list[Outcome] = []
    request = make_mocked_request("POST", "/v1/messages")
    exchange = Exchange(request, SETTINGS, (lambda _exchange, outcome: heard.append(outcome),))
    exchange.finish(LEFT)
    exchange.finish(of_abandoned(200, is_stopping=True))
    assert (heard, exchange.outcome) == ([LEFT], LEFT)
