"""Other services' errors become Anthropic's, with a status that makes the client do right."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import ZAI_KEY, anything, encode, unhurried

from offramp_core.services import zai
from offramp_daemon.messages.answers import error_bodies, errors
from offramp_daemon.messages.answers.error_bodies import ServiceError
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError

NO_RETRY = {"x-should-retry": "false"}
RETRY: dict[str, str] = {}


def as_openai_like(code, message):
    return {"error": {"code": str(code), "message": message}, "request_id": "2026"}


def as_anthropic_like(code, message):
    return {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "code": str(code),
            "message": f"[{code}][{message}][2026]",
        },
    }


def as_bracketed(code, message):
    return {"type": "error", "error": {"type": "api_error", "message": f"[{code}][{message}]"}}


def as_number(code, message):
    return {"error": {"code": code, "message": message}}


def failure_for(status, body):
    raw = body if isinstance(body, bytes) else encode(body)
    return errors.from_delegate("zai", status, error_bodies.read_error(raw), zai.SERVICE)


CODES = [
    *((code, 429, "rate_limit_error", NO_RETRY) for code in (1308, 1310, *range(1316, 1322))),
    *((code, 429, "rate_limit_error", RETRY) for code in (1302, 1305)),
    *((code, 403, "permission_error", NO_RETRY) for code in (1113, 1309, 1311, 1313, 1314, 1315)),
    *((code, 403, "permission_error", NO_RETRY) for code in range(1000, 1006)),
    *((code, 400, "invalid_request_error", RETRY) for code in (*range(1210, 1215), 1261, 1301)),
    *((code, 500, "api_error", RETRY) for code in (1200, 1230, 1234)),
]


@pytest.mark.parametrize(("code", "status", "kind", "headers"), CODES)
@pytest.mark.parametrize("shape", [as_openai_like, as_anthropic_like, as_bracketed, as_number])
@pytest.mark.parametrize("came_as", [200, 400, 401, 429, 500])
def test_zais_code_decides_whatever_the_shape_and_status(
    code, status, kind, headers, shape, came_as
):
    failure = failure_for(came_as, shape(code, "Something is up."))
    assert (failure.status, failure.error_type) == (status, kind)
    assert dict(failure.headers) == headers
    assert "Something is up." in failure.message
    assert str(code) in failure.message


@pytest.mark.parametrize(
    ("came_as", "body", "status", "kind", "headers"),
    [
        (401, b"", 403, "permission_error", NO_RETRY),
        (401, as_number(4711, "who?"), 403, "permission_error", NO_RETRY),
        (401, {"error": {"message": "no"}}, 403, "permission_error", NO_RETRY),
        (401, {"error": "unauthorized"}, 403, "permission_error", NO_RETRY),
        (403, b"<html>", 403, "permission_error", NO_RETRY),
        (404, b"not json", 400, "invalid_request_error", RETRY),
        (413, b"", 400, "invalid_request_error", RETRY),
        (429, b"", 429, "rate_limit_error", RETRY),
        (429, as_number(4711, "new"), 429, "rate_limit_error", RETRY),
        (500, b"", 500, "api_error", RETRY),
        (502, b"<html>bad gateway", 502, "api_error", RETRY),
        (504, b"", 504, "timeout_error", RETRY),
        (529, b"", 529, "overloaded_error", RETRY),
        (200, as_number(4711, "new"), 502, "api_error", RETRY),
        (200, {"error": {}}, 502, "api_error", RETRY),
        (302, b"", 502, "api_error", RETRY),
        (422, {"detail": [{"loc": ["body"], "msg": "bad"}]}, 400, "invalid_request_error", RETRY),
        (422, b"", 400, "invalid_request_error", RETRY),
        (
            200,
            {"code": 401, "msg": "token expired or incorrect", "success": False},
            403,
            "permission_error",
            NO_RETRY,
        ),
        (200, {"code": 1308, "msg": "spent", "success": False}, 429, "rate_limit_error", NO_RETRY),
        (200, {"code": 500, "msg": "404", "success": False}, 502, "api_error", RETRY),
    ],
)
def test_errors_without_a_known_code_keep_a_status_that_fits(came_as, body, status, kind, headers):
    failure = failure_for(came_as, body)
    assert (failure.status, failure.error_type) == (status, kind)
    assert dict(failure.headers) == headers


def test_too_long_is_said_in_the_words_that_make_claude_code_compact():
    failure = failure_for(400, as_openai_like(1261, "Prompt exceeds max length"))
    assert failure.message.startswith("prompt is too long")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "message", "role": "assistant", "content": [], "usage": {}},
        {"type": "message", "error": None, "success": True},
        {"input_tokens": 7},
        {"code": 200, "success": True, "data": {"limits": []}},
        {"type": "message", "detail": "what the model said"},
        {"errors": []},
        {"success": "false"},
        [],
        "error",
        None,
        7,
    ],
)
def test_good_answers_hold_no_error(body):
    assert error_bodies.read_error(encode(body)) is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"error":', b"\xff", b"[" * 100_000, b'{"a":' + b"[" * 100_000]
)
def test_what_is_no_json_holds_no_error(body):
    assert error_bodies.read_error(body) is None


def test_detail_names_the_place_and_the_fault_but_never_the_input():
    detail = [
        {
            "type": "literal_error",
            "loc": ["body", "messages", 1, "role"],
            "msg": "Input should be 'user' or 'assistant'",
            "input": "my secret prompt",
            "ctx": {"expected": "my secret prompt"},
        },
        {"loc": ["body"], "msg": {"text": "my secret prompt"}},
        {"loc": [{"text": "my secret prompt"}, "x"], "msg": "bad"},
        {"loc": "my secret prompt"},
        "my secret prompt",
    ]
    error = error_bodies.read_error(encode({"detail": detail}))
    assert error == ServiceError(
        code=None,
        message="body.messages.1.role: Input should be 'user' or 'assistant'; body; x: bad; body",
    )


@pytest.mark.parametrize(
    ("detail", "message"),
    [("Not Found", "Not Found"), ([], ""), (None, ""), ({"a": "prompt"}, ""), (7, "")],
)
def test_detail_of_another_form_is_an_error_too(detail, message):
    assert error_bodies.read_error(encode({"detail": detail})) == ServiceError(
        code=None, message=message
    )


def test_message_is_truncated():
    failure = failure_for(429, as_openai_like(1308, "long " * 2000))
    assert len(failure.message) < 1200


@pytest.mark.parametrize("shape", [as_openai_like, as_anthropic_like, as_number])
def test_key_that_a_service_repeats_reaches_nobody(shape):
    for status, body in (
        (401, shape(1002, f"Invalid API key: {ZAI_KEY}")),
        (401, shape(1002, f"Key {ZAI_KEY} is unknown")),
        (401, {"error": f"no such key {ZAI_KEY}"}),
        (422, {"detail": f"bad header x-api-key: {ZAI_KEY}"}),
        (200, {"success": False, "code": 401, "msg": f"token {ZAI_KEY} expired"}),
    ):
        failure = failure_for(status, body)
        assert "zai says: " in failure.message
        assert ZAI_KEY not in failure.message
        assert ZAI_KEY.partition(".")[2] not in failure.message


def test_half_characters_in_a_message_reach_nobody():
    failure = failure_for(429, as_openai_like(1308, "spent \ud83d"))
    assert failure.status == 429
    assert failure.message.encode()
    assert json.loads(failure.body())["error"]["message"] == failure.message


@pytest.mark.parametrize("code", [None, "", [], {}, 1.5])
def test_code_that_is_none_is_read_as_none(code):
    error = error_bodies.read_error(encode({"error": {"code": code, "message": ["no text"]}}))
    assert error == ServiceError(code=None, message="")


def test_details_stand_beside_the_type():
    failure = Failure(status=400, message="m", details={"error_code": "a_code"})
    assert json.loads(failure.body()) == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "m",
            "details": {"error_code": "a_code"},
        },
    }


def test_failure_is_shaped_like_anthropics():
    failure = Failure(status=529, message='Offramp: "busy"\n\u00fc')
    assert json.loads(failure.body()) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": 'Offramp: "busy"\n\u00fc'},
    }
    assert str(RequestFailedError(failure)) == failure.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (408, "timeout_error"),
        (413, "request_too_large"),
        (418, "api_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (504, "timeout_error"),
        (508, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_status_has_its_error_type(status, kind):
    assert Failure(status=status, message="").error_type == kind


ERRORS = st.one_of(
    anything,
    st.builds(
        lambda code, message: {"error": {"code": code, "message": message}}, anything, anything
    ),
    st.builds(lambda detail: {"detail": detail}, anything),
    st.builds(lambda code, msg: {"success": False, "code": code, "msg": msg}, anything, anything),
)


@unhurried
@given(st.integers(200, 599), ERRORS.map(encode) | st.binary(max_size=30))
def test_any_error_body_gives_a_failure_that_is_no_401(status, body):
    error = error_bodies.read_error(body)
    failure = errors.from_delegate("zai", status, error, zai.SERVICE)
    assert 400 <= failure.status < 600
    assert failure.status != 401
    assert json.loads(failure.body())["type"] == "error"
    assert failure.message.encode()
