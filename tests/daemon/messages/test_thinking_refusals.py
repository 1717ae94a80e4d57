"""The refusals that a request without thinking gets past are distinguished from all others."""

from __future__ import annotations

import gzip
import json
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from request_bodies import unhurried

from offramp_daemon.messages.history import thinking

WANTED = [
    "messages.1.content.0: Invalid `signature` in `thinking` block",
    "messages.1.content.0: Invalid signature in thinking block",
    "***.***.content.0: Invalid `signature` in `thinking` block",
    "messages.23.content.4: Invalid `data` in `redacted_thinking` block",
    "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. "
    "When `thinking` is enabled, a final `assistant` message must start with a thinking block "
    "(preceeding the lastmost set of `tool_use` and `tool_result` blocks). To avoid this "
    "requirement, disable `thinking`.",
    "messages.3.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`.",
    "Expected thinking or redacted_thinking, but found tool_use",
    "Expected `redacted_thinking` or `thinking`, but found `text`",
    "messages.5.content.1: `thinking` or `redacted_thinking` blocks in the latest assistant "
    "message cannot be modified. These blocks must remain as they were in the original response.",
    "thinking blocks in the latest assistant message cannot be modified",
    "messages.1.content.0.thinking.signature: Field required",
    "messages.1.content.0.thinking.thinking: Field required",
    "messages.1.content.0.redacted_thinking.data: Field required",
    "messages.1.content.0.thinking.signature: Input should be a valid string",
    "thinking.signature: field required",
    "messages.4.content.0: Invalid data in redacted_thinking block",
    "messages.2.content.0: The signature in thinking block is not valid for this prefix",
    "messages.2.content.0: thinking block has an invalid signature",
    "messages.2.content.0: Invalid signature: the `thinking` block was changed",
    "messages.2.content.0: `thinking` blocks cannot be modified",
    "messages.2.content.1: a `redacted_thinking` block must not be changed",
    "messages.2.content.0: the signature of the thinking block does not match its content",
    "messages.2.content.0: thinking block is bound to another conversation",
    "messages.1: a final assistant message must start with a thinking block",
    "messages.1.content.0: signature verification failed for `thinking` block",
    "messages.1.content.0: thinking block: signature verification failed",
]
UNWANTED = [
    "messages: text content blocks must be non-empty",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "`max_tokens` must be greater than `thinking.budget_tokens`.",
    "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    "thinking: Input tag 'on' found using 'type' does not match any of the expected tags: "
    "'adaptive', 'disabled', 'enabled'",
    "adaptive thinking is not supported on this model",
    "thinking: `disabled` is not supported with effort `xhigh`",
    "thinking.type.enabled is not supported for this model. Use thinking.type.adaptive and "
    "output_config.effort to control thinking behavior.",
    "messages.1.content.0.text: Field required",
    "messages.1.content.2.tool_use.id: String should match pattern",
    "messages.1.content.0.thinking: Extra inputs are not permitted",
    "thinking.budget_tokens: Field required",
    "thinking: Field required",
    "thinking.adaptive.block_binding: Input is invalid and cannot be modified",
    "tools.0.custom.input_schema: JSON schema is invalid",
    "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after",
    "messages.1.content.0.server_tool_use.id: String should match pattern '^srvtoolu_'",
    "context_management: clear_thinking_20251015 strategy requires thinking to be enabled",
    "Invalid signature for webhook",
    "This organization's settings cannot be modified",
    "credit balance is too low",
    "",
]


def error_body(message):
    error = {"type": "invalid_request_error", "message": message}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


@pytest.mark.parametrize("message", WANTED)
def test_refused_thinking_is_recognised(message):
    assert thinking.is_refused(error_body(message), "")
    assert thinking.is_refused(error_body(message.upper()), "")
    assert thinking.is_refused(message.encode(), "identity")


@pytest.mark.parametrize("message", UNWANTED)
def test_other_refusals_are_left_alone(message):
    assert not thinking.is_refused(error_body(message), "")


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("gzip, br", lambda body: brotli.compress(gzip.compress(body))),
    ],
)
def test_compressed_errors_are_read(coding, encode):
    assert thinking.is_refused(encode(error_body(WANTED[0])), coding)
    assert not thinking.is_refused(encode(error_body(UNWANTED[0])), coding)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (error_body(WANTED[0]), "gzip"),
        (error_body(WANTED[0]), "brand-new"),
        (gzip.compress(error_body(WANTED[0]))[:-12], "gzip"),
        (gzip.compress(b"a" * 2_000_000 + error_body(WANTED[0])), "gzip"),
        (b"", "gzip"),
    ],
)
def test_body_that_cannot_be_decoded_is_left_alone(body, coding):
    assert not thinking.is_refused(body, coding)


@unhurried
@given(st.binary(max_size=60), st.sampled_from(["", "gzip", "deflate", "br", "zstd", "x"]))
def test_no_body_breaks_the_check(body, coding):
    assert thinking.is_refused(body, coding) in {True, False}
