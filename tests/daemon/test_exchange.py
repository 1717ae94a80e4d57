"""One request from its arrival to its record: each outcome is reported, whoever fails meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import make_mocked_request
from proxy_harness import ZAI_KEY, settings_for

from offramp_daemon.exchange import Exchange
from offramp_daemon.messages.answers.outcome import of_abandoned

if TYPE_CHECKING:
    from offramp_daemon.messages.answers.outcome import Outcome

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


@pytest.mark.parametrize(
    "name",
    [
        f"glm {ZAI_KEY}",
        f"glm-{ZAI_KEY}",
        "sk-ant-oat01-Xk3vP9aQw7LmZt5RcYb2NdHs8JfGu4Ee6TiOyWpBq1",
        "a sentence of the prompt",
        "claude-sonnet\x1b[31m",
        "claude-sonnet\u202e",
        "half \ud83d",
        "=cmd",
        "x" * 5000,
    ],
)
def test_what_is_no_models_name_is_not_recorded(name: str) -> None:
    exchange = Exchange(make_mocked_request("POST", "/v1/messages"), SETTINGS)
    exchange.model = name
    exchange.finish(LEFT)
    assert exchange.record().model == "***"


@pytest.mark.parametrize(
    "name",
    ["claude-sonnet-4-5-20250929", "GLM-4.7", "glm-5.2[1m]", "anthropic/claude:beta", "模型"],
)
def test_models_name_is_recorded_as_it_is(name: str) -> None:
    exchange = Exchange(make_mocked_request("POST", "/v1/messages"), SETTINGS)
    exchange.model = name
    exchange.finish(LEFT)
    assert exchange.record().model == name


def test_key_of_no_known_shape_is_not_recorded() -> None:
    exchange = Exchange(make_mocked_request("POST", "/v1/messages"), SETTINGS)
    exchange.credential = exchange.model = exchange.session_id = "plainKeyOfNoKnownShapeAtAll0815"
    exchange.finish(LEFT)
    record = exchange.record()
    assert (record.model, record.session_id) == ("***", "***")
