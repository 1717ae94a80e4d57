"""One request from its arrival to its record: each outcome is reported, whoever fails meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import key_spellings
import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from proxy_harness import ZAI_KEY, settings_for

from offramp_core.settings import Secret, Settings
from offramp_daemon.exchange import Exchange
from offramp_daemon.messages.answers.outcome import of_abandoned

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.mark.parametrize(
    "spell",
    [
        key_spellings.plain,
        key_spellings.base64_of_an_address,
        key_spellings.hexadecimal,
        key_spellings.upper_case,
        key_spellings.all_but_the_last,
        key_spellings.percent_encoded,
    ],
)
def test_credential_in_any_spelling_is_in_no_field_of_the_record(
    spell: Callable[[str], str],
) -> None:
    for key in (ZAI_KEY, "opaque-corporate-key-Uv83nMq2"):
        exchange = Exchange(make_mocked_request("POST", "/v1/messages"), SETTINGS)
        exchange.credentials = ("opaque-corporate-key-Uv83nMq2",)
        exchange.model = exchange.session_id = exchange.reason = spell(key)
        exchange.finish(LEFT)
        record = exchange.record()
        assert (record.model, record.session_id, record.reason) == ("***",) * 3


def with_key(key: str, name: str) -> Settings:
    """Settings with a backend of that name, which has that key."""
    zai = SETTINGS.backend("zai")
    own = msgspec.structs.replace(zai, name=name, key=Secret(key))
    return msgspec.structs.replace(SETTINGS, backends=(*SETTINGS.backends, own))


@pytest.mark.parametrize(("key", "is_kept"), [("ollama", True), ("lm-studio-key-77", False)])
def test_key_that_is_a_name_of_the_settings_is_no_secret(key: str, is_kept: bool) -> None:
    settings = with_key(key, "ollama")
    exchange = Exchange(make_mocked_request("POST", "/v1/messages"), settings)
    exchange.model = f"{key}/llama3"
    exchange.finish(LEFT)
    assert exchange.record().model == (f"{key}/llama3" if is_kept else "***")
    assert (Secret(key) in settings.secrets()) is not is_kept
