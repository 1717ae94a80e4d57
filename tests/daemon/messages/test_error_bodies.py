"""What comes in place of an answer is told from a service's own errors, and quoted with care."""

from __future__ import annotations

import json

import pytest
from request_bodies import ZAI_KEY, encode

from offramp_core.control import api
from offramp_core.services import zai
from offramp_daemon.messages.answers import errors
from offramp_daemon.messages.answers.error_bodies import Form, read_refusal

HINT = "ZAI_BASE_URL is probably wrong."
PAGES = {
    "doctype": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>",
    "nginx": b"<html>\r\n<head><title>404 Not Found</title></head><body><center><h1>404 Not Found",
    "heading": b"\n <h1>404 Not Found</h1>",
    "mark": b"\xef\xbb\xbf<html><title>404 Not Found</title>",
}
FOREIGN = {
    "spring": {
        "timestamp": "2026-11-30T10:00:00.000+00:00",
        "status": 404,
        "error": "Not Found",
        "path": "/v1/messages",
    },
    "spring with a message": {
        "timestamp": 1789728421115,
        "status": 404,
        "error": "Not Found",
        "message": "No handler",
        "path": "/v1/messages",
    },
    "go": {"code": 5, "message": "Not Found", "details": []},
    "gateway": {"message": "no Route matched with those values"},
    "cloudflare": {
        "success": False,
        "errors": [{"code": 7003, "message": "Could not route to /v1/messages"}],
        "messages": [],
        "result": None,
    },
    "problem": {"type": "about:blank", "title": "Not Found", "status": 404},
    "health": {"status": "ok"},
    "list": [],
    "number": 7,
    "chat": {"id": "x", "object": "chat.completion", "choices": []},
    "null": None,
}


def failure_for(status, body):
    error = read_refusal(body, status)
    return errors.from_delegate("zai", status, error, zai.SERVICE, address_hint=HINT)


@pytest.mark.parametrize("body", PAGES.values(), ids=PAGES)
def test_of_a_page_nothing_is_quoted_but_its_title(body):
    error = read_refusal(body + b"<p>my prompt</p>", 404)
    assert error is not None
    assert (error.form, error.code, error.message) == (Form.PAGE, None, "404 Not Found")


@pytest.mark.parametrize(
    "title",
    [
        f"Hello {ZAI_KEY}",
        "key sk-ant-oat01-abcdefgh",
        "x" * 61,
        "averyveryverylongword",
        "caf\u00e9",
        "a\x1b[31mb",
        "{prompt}",
    ],
)
def test_title_that_may_be_more_than_words_is_left_out(title):
    error = read_refusal(f"<title>{title}</title>".encode(), 200)
    assert error is not None
    assert (error.form, error.message) == (Form.PAGE, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"404 page not found\n", "404 page not found"), (b"\xff\xfe", ""), (b"x" * 5000, "")],
)
def test_of_plain_text_a_few_plain_words_are_quoted(text, message):
    error = read_refusal(text, 404)
    assert error is not None
    assert (error.form, error.message) == (Form.TEXT, message)


@pytest.mark.parametrize(
    "body", [*PAGES.values(), b"404 page not found", *map(encode, FOREIGN.values())]
)
@pytest.mark.parametrize(("status", "shown"), [(200, 502), (404, 400), (405, 405), (302, 502)])
def test_whoever_stands_at_a_wrong_address_the_setting_is_named(body, status, shown):
    failure = failure_for(status, body)
    assert failure.status == shown
    assert failure.message.endswith(HINT)
    assert failure.trouble == api.FAILING
    assert failure.message.startswith("zai ")


@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (502, PAGES["nginx"], api.FAILING),
        (503, b"upstream connect error", api.FAILING),
        (500, encode(FOREIGN["spring"] | {"status": 500}), api.FAILING),
        (529, b"<html>", api.OVERLOADED),
        (429, b"<html>", api.OVERLOADED),
    ],
)
def test_gateway_that_can_not_reach_the_service_is_no_wrong_address(status, body, trouble):
    failure = failure_for(status, body)
    assert HINT not in failure.message
    assert (failure.status, failure.trouble) == (status, trouble)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        PAGES["nginx"],
        b"Forbidden",
        encode({"message": "Forbidden"}),
        encode({"error": {"message": "no", "type": "permission_error"}}),
        encode(FOREIGN["spring"] | {"status": 403, "error": "Forbidden"}),
        b"<html><title>Access token required</title>",
    ],
)
def test_bare_403_does_not_speak_against_the_key(body):
    failure = failure_for(403, body)
    assert (failure.status, failure.trouble, failure.refusal) == (403, None, api.REFUSED)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (401, PAGES["nginx"]),
        (403, encode({"error": {"message": "Invalid API key"}})),
        (403, encode({"type": "error", "error": {"type": "authentication_error"}})),
        (403, encode({"error": {"code": "1002", "message": "x"}})),
        (200, encode({"error": {"code": "invalid_api_key", "message": "x"}})),
    ],
)
def test_bad_key_is_known_where_the_service_speaks_of_it(status, body):
    failure = failure_for(status, body)
    assert (failure.status, failure.trouble) == (403, api.KEY_REFUSED)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "message", "role": "assistant", "content": []},
        {"type": "message"},
        {"content": [{"type": "text", "text": "x"}], "role": "assistant"},
        {"type": "message", "content": [], "code": 200, "message": "ok"},
    ],
)
def test_message_is_no_refusal(body):
    assert read_refusal(encode(body), 200) is None


def test_code_that_is_no_name_is_not_taken_for_one():
    for code in ("my prompt", "x" * 65, ZAI_KEY, True, {"a": 1}):
        error = read_refusal(encode({"error": {"code": code, "message": "m"}}), 400)
        assert error is not None
        assert error.code is None


@pytest.mark.parametrize(
    ("kind", "trouble", "status"),
    [
        ("overloaded_error", api.OVERLOADED, 429),
        ("rate_limit_error", api.OVERLOADED, 429),
        ("authentication_error", api.KEY_REFUSED, 403),
        ("billing_error", api.ACCOUNT, 403),
        ("invalid_request_error", None, 400),
        ("api_error", api.FAILING, 502),
    ],
)
def test_type_of_an_error_counts_where_the_status_says_nothing(kind, trouble, status):
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "m"}}).encode()
    failure = failure_for(200, body)
    assert (failure.trouble, failure.status) == (trouble, status)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda error: encode({"detail": {"error": error}}),
        lambda error: encode({"detail": error}),
        lambda error: encode({"error": {"error": error}}),
        lambda error: encode([{"error": error}]),
        lambda error: b"event: error\ndata: " + encode({"error": error}) + b"\n\n",
        lambda error: b": hm\r\n\r\ndata:" + encode({"error": error}) + b"\r\n\r\n",
        lambda error: encode({"error": error}).decode().encode("utf-16"),
        lambda error: encode({"error": error}).decode().encode("utf-8-sig"),
    ],
)
@pytest.mark.parametrize(
    ("status", "code", "trouble", "refusal"),
    [
        (429, "1308", api.LIMIT, None),
        (429, "1302", api.BUSY, None),
        (400, "1211", None, api.UNKNOWN_MODEL),
        (400, "1261", None, api.TOO_LONG),
        (400, 1210, None, api.REFUSED),
    ],
)
def test_code_of_a_wrapped_error_is_found(wrapped, status, code, trouble, refusal):
    failure = failure_for(status, wrapped({"code": code, "message": "no"}))
    assert (failure.trouble, failure.refusal) == (trouble, refusal)


@pytest.mark.parametrize(
    "text",
    [
        "The prompt's tokens were refused by a content policy",
        "context tokens blocked by policy",
        "You are not authorized to use the model claude-sonnet-5-5",
    ],
)
def test_403_that_speaks_of_the_request_does_not_speak_against_the_key(text):
    failure = failure_for(403, encode({"error": {"message": text}}))
    assert (failure.trouble, failure.refusal) == (None, api.REFUSED)


@pytest.mark.parametrize("text", ["Invalid token", "token expired", "Your access token is gone"])
def test_403_that_speaks_of_a_token_as_a_login_speaks_against_the_key(text):
    assert failure_for(403, encode({"error": {"message": text}})).trouble == api.KEY_REFUSED


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, PAGES["nginx"]),
        (302, b""),
        (400, PAGES["nginx"]),
        (406, b"<html>Request Rejected</html>"),
        (451, b"blocked"),
        (200, encode({"error": {"message": "odd"}})),
    ],
)
def test_what_a_firewall_says_may_be_the_fault_of_one_request(status, body):
    failure = failure_for(status, body)
    assert (failure.trouble, failure.is_suspect) == (api.FAILING, True)
