"""Everything that the recorded clients send is known: a delegate gets it, or it is left out.

Recorded by `make e2e`; a client's new version that sends something new fails there, and here once
its shape is recorded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from known_names import unknown_in
from request_shapes import shape_of

from offramp_core.services import left_out
from offramp_core.services.accepts import MESSAGES_API
from offramp_simulator import ReceivedRequest

SHAPES = sorted((Path(__file__).parent / "client_shapes").glob("*.json"))
SECRET = "someone@example.com, and what the user said"


def shape_with(**fields: Any) -> dict[str, Any]:
    """The shape of one request with these fields, read back from its file's form."""
    body = {"model": "m", "max_tokens": 5, "messages": [], **fields}
    received = ReceivedRequest(
        service="anthropic",
        method="POST",
        path="/v1/messages?beta=true",
        headers=(("X-New", SECRET), ("anthropic-beta", "a-1,b-2")),
        body=json.dumps(body).encode(),
    )
    shape: dict[str, Any] = json.loads(shape_of([received]).as_json())
    return shape


def turn(role: str, *blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": list(blocks), **fields}


def test_two_versions_are_recorded() -> None:
    assert len(SHAPES) >= 2


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_everything_that_a_client_sends_is_known(file: Path) -> None:
    assert unknown_in(json.loads(file.read_text())) == []


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_recorded_shape_holds_no_text(file: Path) -> None:
    assert "@" not in file.read_text()
    fields = json.loads(file.read_text())["fields"].values()
    assert all(set(field) == {"types", "bytes"} for field in fields)


@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ({"news": 1}, ["news"]),
        ({"thinking": {"type": "adaptive", "news": 1}}, ["thinking.news"]),
        ({"output_config": {"effort": "low", "news": 1}}, ["output_config.news"]),
        ({"tool_choice": {"type": "auto", "news": 1}}, ["tool_choice.news"]),
        ({"tools": [{"name": "a", "news": 1}]}, ["tools[custom].news"]),
        (
            {"tools": [{"type": "news_2027", "name": "a"}]},
            ["tools[news_2027].name", "tools[news_2027].type"],
        ),
        (
            {"tools": [{"name": "a", "input_schema": {"properties": {"b": {"news": 1}}}}]},
            ["news"],
        ),
        (
            {"tools": [{"name": "a", "cache_control": {"news": 1}}]},
            ["tools[custom].cache_control.news"],
        ),
        ({"messages": [turn("user", news=1)]}, ["messages.user.news"]),
        ({"messages": [turn("news")]}, ["messages.news.role"]),
        ({"messages": [turn("user", {"type": "news"})]}, ["messages.user[news].type"]),
        (
            {"messages": [turn("user", {"type": "text", "news": 1})]},
            ["messages.user[text].news"],
        ),
        (
            {"messages": [turn("user", {"type": "tool_result", "content": [{"type": "news"}]})]},
            ["messages.user[tool_result].content[news].type"],
        ),
        (
            {"system": [{"type": "text", "cache_control": {"news": 1}}]},
            ["system[text].cache_control.news"],
        ),
    ],
)
def test_something_new_is_found_wherever_it_stands(
    fields: dict[str, Any], unknown: list[str]
) -> None:
    assert unknown_in(shape_with(**fields)) == unknown


def test_shape_holds_names_types_and_sizes_but_no_text() -> None:
    shape = shape_with(
        system=SECRET,
        messages=[turn("user", {"type": "text", "text": SECRET})],
        metadata={SECRET: SECRET},
        tools=[{"name": "a", "input_schema": {"properties": {SECRET: {"const": SECRET}}}}],
    )
    assert "someone" not in json.dumps(shape)
    assert shape["headers"] == ["anthropic-beta", "x-new"]
    assert shape["betas"] == ["a-1", "b-2"]
    assert shape["schema_keywords"] == ["const", "properties"]
    assert shape["fields"]["messages.user[text].text"] == {"types": ["string"], "bytes": 64}
    assert shape["fields"]["metadata.*"]["types"] == ["string"]


def test_nothing_is_both_taken_and_left_out() -> None:
    pairs = [
        (MESSAGES_API.fields, left_out.FIELDS),
        (MESSAGES_API.thinking, left_out.THINKING),
        (MESSAGES_API.tool, left_out.TOOL),
        (MESSAGES_API.cache_control, left_out.CACHE_CONTROL),
        (MESSAGES_API.message, left_out.MESSAGE),
        (MESSAGES_API.blocks, left_out.BLOCKS),
        (MESSAGES_API.schema, left_out.SCHEMA),
    ]
    assert all(set(taken).isdisjoint(dropped) for taken, dropped in pairs)
