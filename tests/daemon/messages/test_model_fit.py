"""What a model limits is fitted to it before a request leaves for a delegate."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import ZAI_BACKEND, ask, read

from offramp_core.settings import Route
from offramp_daemon.messages import transform
from offramp_daemon.messages.delegate import model_fit

DISABLED = {"type": "disabled"}


def sent(model, *, send_model=None, limits=None, **fields):
    route = Route(match="", backend="zai", send_model=send_model, **(limits or {}))
    return json.loads(transform.for_delegate(read(ask(model, **fields)), ZAI_BACKEND, route))


@pytest.mark.parametrize(
    ("model", "asked", "got"),
    [
        ("GLM-4.5-Air", 128_000, 98_304),
        ("GLM-4.5-Air", 98_304, 98_304),
        ("GLM-4.5-Air", 64, 64),
        ("glm-4.7", 200_000, 131_072),
        ("glm-5.4[1m]", 200_000, 128_000),
        ("glm-unheard-of", 128_000, 32_000),
        ("glm-5.3", 64, model_fit.ROOM_TO_THINK),
        ("glm-5.3", 5000, 5000),
        ("glm-5.3", 0, 0),
        ("GLM-4.5-Air", 128_000.0, 98_304),
        ("GLM-4.5-Air", 98_304.5, 98_304.5),
        ("GLM-4.5-Air", 98_305.5, 98_304),
        ("GLM-4.5-Air", 1e300, 98_304),
        ("GLM-4.5-Air", 10**30, 98_304),
        ("GLM-4.5-Air", 64.0, 64.0),
        ("glm-5.3", 64.0, model_fit.ROOM_TO_THINK),
        ("GLM-4.5-Air", True, True),
        ("GLM-4.5-Air", "128000", 98_304),
        ("GLM-4.7", "128000", 128_000),
        ("GLM-4.5-Air", "many", "many"),
        ("GLM-4.5-Air", None, None),
    ],
)
def test_max_tokens_is_what_the_sent_model_takes(model, asked, got):
    assert sent("claude-haiku-5-5", send_model=model, max_tokens=asked)["max_tokens"] == got


@pytest.mark.parametrize("asked", [128_000.0, "128000", "1024", 64.0])
def test_whole_number_reaches_a_delegate_as_one_however_it_is_written(asked):
    fields = {"max_tokens": asked, "thinking": {"type": "enabled", "budget_tokens": 32.0}}
    for model in ("glm-4.7", "GLM-4.5-Air", "glm-5.3"):
        body = sent("claude-haiku-5-5", send_model=model, **fields)
        assert type(body["max_tokens"]) is int
        assert type(body["thinking"]["budget_tokens"]) is int


def test_sonnets_own_name_has_the_limits_of_the_model_behind_it():
    assert sent("claude-sonnet-5-5", max_tokens=200_000)["max_tokens"] == 131_072


def test_route_sets_limits_of_its_own():
    limits = {"max_output_tokens": 8192, "always_thinks": True}
    assert sent("x", limits=limits, max_tokens=9000)["max_tokens"] == 8192
    assert "thinking" not in sent("x", limits=limits, thinking=DISABLED)


@pytest.mark.parametrize(
    ("model", "max_tokens", "budget", "got"),
    [
        ("GLM-4.5-Air", 128_000, 127_999, 98_304 - model_fit.ROOM_TO_THINK),
        ("GLM-4.5-Air", 128_000, 50_000, 50_000),
        ("GLM-4.5-Air", 128_000.0, 127_999.0, 98_304 - model_fit.ROOM_TO_THINK),
        ("GLM-4.5-Air", 2000, 2000, 1024),
        ("GLM-4.5-Air", 3000, "many", "many"),
        ("GLM-4.5-Air", 3000, "2000", 2000),
        ("GLM-4.5-Air", "3000", 5000, 1024),
        ("GLM-4.5-Air", 8000, 5000.0, 5000),
    ],
)
def test_thinking_budget_stays_below_the_tokens_of_the_answer(model, max_tokens, budget, got):
    thinking = {"type": "enabled", "budget_tokens": budget}
    body = sent("haiku", send_model=model, max_tokens=max_tokens, thinking=thinking)
    assert body["thinking"] == {**thinking, "budget_tokens": got}


def test_answer_too_short_for_any_thinking_budget_is_asked_for_without_thinking():
    thinking = {"type": "enabled", "budget_tokens": 1024}
    limits = {"max_output_tokens": 900}
    assert sent("haiku", max_tokens=900, thinking=thinking)["thinking"] == DISABLED
    assert sent("x", limits=limits, max_tokens=5000, thinking=thinking)["thinking"] == DISABLED
    thinks = {**limits, "always_thinks": True}
    assert "thinking" not in sent("x", limits=thinks, max_tokens=5000, thinking=thinking)


def test_model_that_always_thinks_is_not_asked_to_stop_thinking():
    assert "thinking" not in sent("sonnet", send_model="glm-5.3", thinking=DISABLED)
    assert sent("sonnet", send_model="glm-4.7", thinking=DISABLED)["thinking"] == DISABLED


@pytest.mark.parametrize(
    ("asked", "taken", "nearest"),
    [
        ("medium", ("low", "high", "max"), "high"),
        ("xhigh", ("low", "high", "max"), "max"),
        ("minimal", ("low", "high", "max"), "low"),
        ("max", ("low", "high"), "high"),
        ("high", ("low", "high", "max"), "high"),
        ("odd", ("odd",), "odd"),
        ("odd", ("low", "high"), "high"),
        ("odd", ("low", "high", "max"), "high"),
        ("HIGH", ("low", "high", "max"), "high"),
        ("XHigh", ("low", "high", "max"), "max"),
        ("low", ("strange",), None),
        (None, ("low",), None),
        ("low", (), None),
    ],
)
def test_effort_becomes_the_nearest_one_that_the_model_takes(asked, taken, nearest):
    assert model_fit.nearest_effort(asked, taken) == nearest


@given(st.integers(1, 10**7), st.integers(1, 10**7), st.sampled_from(["glm-4.7", "glm-5.3"]))
def test_fitted_request_is_within_the_limits_and_stays_so(max_tokens, budget, model):
    fields = {"max_tokens": max_tokens, "thinking": {"type": "enabled", "budget_tokens": budget}}
    once = sent("m", send_model=model, **fields)
    assert once["max_tokens"] <= 131_072
    assert once["thinking"].get("budget_tokens", 0) < once["max_tokens"]
    again = sent("m", send_model=model, **{name: once[name] for name in fields})
    assert again == once
