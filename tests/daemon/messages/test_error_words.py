"""Errors that need an answer of their own are known by their words."""

from __future__ import annotations

import pytest
from request_bodies import encode

from offramp_core.control import api
from offramp_core.services import OTHER, zai
from offramp_daemon.messages.answers import errors
from offramp_daemon.messages.answers.error_bodies import read_refusal

TOO_LONG = [
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
    "Input is too long for requested model.",
    "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens.",
    "Your input exceeds the context window of this model.",
    "The input (233864 tokens) is longer than the model's context length (202752 tokens).",
    "number of input tokens (204703) has exceeded max_prompt_tokens (202752) limit.",
    "length of prompt_tokens (163280) must be less than max_seq_len (32768).",
    "Invalid request: Your request exceeded model token limit: 262144",
    "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
    "context window exceeds limit",
    "the request exceeds the available context size, try increasing it",
    "Range of input length should be [1, 129024]",
    "Please reduce the length of the messages.",
    "Prompt exceeds max length",
    "prompt tokens exceed the limit",
    "Request Entity Too Large",
    "request body too large",
    "Prompt 超长",
    "输入内容过长",
    "输入长度超出模型限制",
    "请求的 tokens 超过最大上下文长度",
    "请求内容过大",
    "Too many input tokens",
    "too many tokens in the prompt",
    "Your request contains 210000 input tokens; limit is 200000",
    "input tokens 210000 > 200000",
    "tokens in request more than max tokens allowed",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 32769.",
]
OTHERS = [
    "max_tokens (128000) exceeds the maximum tokens 98304",
    "max_tokens must be less than 98304",
    "max_tokens 超出范围",
    "Invalid API parameter, please check the documentation.",
    "messages.0.content.0.text: Field required",
    "messages.1.content.0.tool_use.id: String is too long",
    "context_management: Extra inputs are not permitted",
    "Your request exceeds the rate limit of 5 per minute",
    "You have exceeded your daily token quota",
    "Request exceeds the maximum number of images",
    "System detected potentially unsafe or sensitive content in input or generation.",
    "thinking: Input should be enabled or disabled",
    "并发超过限制",
    "`max_tokens` must be less than or equal to `98304`, the maximum value for `max_tokens` is "
    "less than the `context_window` for this model",
    "max_tokens 不能超过模型的上下文长度",
    "Too many tokens, please wait before trying again.",
    "图片内容过大",
    "",
]
SHAPES = {
    "anthropic": lambda text: {"type": "error", "error": {"type": "api_error", "message": text}},
    "openai": lambda text: {"error": {"message": text, "type": "x", "param": None, "code": None}},
    "number": lambda text: {"error": {"message": text, "code": 400}},
    "plain": lambda text: {"error": text},
    "detail": lambda text: {"detail": text},
    "go": lambda text: {"code": 20015, "message": text, "data": None},
    "vllm": lambda text: {"object": "error", "message": text, "type": "BadRequestError"},
    "zai": lambda text: {"error": {"code": "1214", "message": text}},
}
NO_MODEL = [
    "model: claude-sonnet-5-5",
    "The model `claude-sonnet-5-5` does not exist or you do not have access to it.",
    "Unknown model: claude-sonnet-5-5",
    "Model Not Exist",
    "模型不存在",
]


def failure_for(status, body, service=zai.SERVICE, **options):
    raw = body if isinstance(body, bytes) else encode(body)
    return errors.from_delegate("zai", status, read_refusal(raw, status), service, **options)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("text", TOO_LONG)
def test_too_long_in_any_words_makes_the_client_compact(text, shape):
    for status, service in ((400, zai.SERVICE), (413, OTHER), (500, OTHER), (422, zai.SERVICE)):
        failure = failure_for(status, shape(text), service)
        assert failure.status == 400
        assert failure.message.startswith("prompt is too long: ")
        assert (failure.trouble, failure.refusal) == (None, api.TOO_LONG)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("text", OTHERS)
def test_what_is_not_about_length_does_not_make_the_client_compact(text, shape):
    failure = failure_for(400, shape(text))
    assert failure.status == 400
    assert not failure.message.startswith("prompt is too long")
    assert failure.refusal == api.REFUSED


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "context_length_exceeded", "message": ""}},
        {"error": {"type": "exceed_context_size_error", "message": "no"}},
        {"type": "error", "error": {"type": "request_too_large", "message": "no"}},
        {"error": {"code": "1261", "message": ""}},
        {"error": {"code": 1261}},
    ],
)
@pytest.mark.parametrize("status", [200, 400, 413, 500])
def test_too_long_by_its_name_needs_no_words(body, status):
    assert failure_for(status, body).message.startswith("prompt is too long: ")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "1214", "message": "Invalid messages parameter"}}),
        (400, {"error": {"code": 1210, "message": "Incorrect API call parameters"}}),
        (500, {"error": {"code": "1210"}}),
        (200, {"error": {"code": "1214", "message": "no"}}),
        (400, b""),
    ],
)
def test_refusal_that_leaves_it_open_counts_by_the_size_of_the_request(status, body):
    large, small = (failure_for(status, body, is_large=size) for size in (True, False))
    assert large.message.startswith("prompt is too long: ")
    assert not small.message.startswith("prompt is too long: ")
    assert [large.refusal, small.refusal] == [api.TOO_LONG, api.REFUSED]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "1301", "message": "unsafe"}}),
        (400, {"error": {"message": "roles must alternate"}}),
        (422, {"detail": [{"loc": ["body", "x"], "msg": "Field required"}]}),
        (429, {"error": {"code": "1308", "message": "quota"}}),
        (429, b""),
        (401, b""),
        (500, b""),
        (529, b""),
    ],
)
def test_large_request_with_another_fault_is_not_too_long(status, body):
    failure = failure_for(status, body, is_large=True)
    assert not failure.message.startswith("prompt is too long")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("text", NO_MODEL)
def test_unknown_model_is_known_by_a_404_that_names_one(text, shape):
    failure = failure_for(404, shape(text))
    assert (failure.status, failure.refusal, failure.trouble) == (400, api.UNKNOWN_MODEL, None)


@pytest.mark.parametrize("text", NO_MODEL[1:])
def test_unknown_model_is_known_by_its_words(text):
    assert failure_for(400, SHAPES["openai"](text)).refusal == api.UNKNOWN_MODEL


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "1211", "message": ""}}),
        (200, {"error": {"code": 1211}}),
        (404, {"error": {"code": "model_not_found", "message": "no"}}),
        (200, {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}),
    ],
)
def test_unknown_model_is_known_by_its_name(status, body):
    assert failure_for(status, body).refusal == api.UNKNOWN_MODEL


@pytest.mark.parametrize(
    "text", ["This model does not support images", "thinking is required by this model", "no"]
)
def test_what_a_model_does_not_take_does_not_make_it_unknown(text):
    assert failure_for(400, SHAPES["zai"](text)).refusal == api.REFUSED


@pytest.mark.parametrize(
    "text",
    [
        "No endpoints found for anthropic/claude-sonnet-5-5.",
        "Model claude-sonnet-5-5 is not supported",
        "分组 default 下对于模型 claude-sonnet-5-5 无可用渠道",
    ],
)
@pytest.mark.parametrize("status", [400, 404, 503])
def test_gateway_that_has_no_such_model_is_known_by_its_words(text, status):
    assert failure_for(status, SHAPES["openai"](text)).refusal == api.UNKNOWN_MODEL


def test_404_that_only_repeats_the_name_of_a_model_says_that_it_is_unknown():
    body = {"type": "error", "error": {"type": "not_found_error", "message": "claude-sonnet-5-5"}}
    assert failure_for(404, body).refusal == api.UNKNOWN_MODEL


@pytest.mark.parametrize("code", ["1210", "1214"])
@pytest.mark.parametrize(
    "text", ["max_tokens illegal", "max_tokens is too large", "max_tokens 超限"]
)
def test_vague_code_that_names_the_length_of_the_answer_is_not_about_the_prompt(code, text):
    failure = failure_for(400, {"error": {"code": code, "message": text}}, is_large=True)
    assert failure.refusal == api.REFUSED


LONG_TEXT = (
    "litellm.ContextWindowExceededError: litellm.BadRequestError: This model's maximum context "
    "length is 128000 tokens. However, your messages resulted in 200000 tokens."
)


@pytest.mark.parametrize(
    "body",
    [
        LONG_TEXT.encode(),
        {"message": LONG_TEXT},
        {"message": LONG_TEXT, "__type": "ValidationException"},
        {"errors": [{"message": LONG_TEXT}]},
        {"type": "about:blank", "title": "Bad Request", "detail": LONG_TEXT},
    ],
)
def test_words_that_are_not_quoted_still_say_what_they_mean(body):
    failure = failure_for(400, body)
    assert failure.refusal == api.TOO_LONG
    assert "litellm" not in failure.message


def test_answer_in_plain_text_that_speaks_of_length_is_no_error_about_it():
    assert failure_for(200, LONG_TEXT.encode()).refusal is None
