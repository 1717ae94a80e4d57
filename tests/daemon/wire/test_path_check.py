"""Paths that a slip makes of Offramp's are recognised; Anthropic's other paths are left to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.wire import path_check

MISSPELT = [
    "/v1/v1/messages",
    "/v1/v1/v1/messages",
    "/v1/v1/messages/count_tokens",
    "/v1/v1/models",
    "//v1/messages",
    "//v1/models",
    "//messages",
    "//api/hello",
    "//chat/completions",
    "///v1/messages",
    "/\\v1/messages",
    "/v1//messages",
    "/v1/messages//count_tokens",
    "/v1/messages/",
    "/v1/messages//",
    "/v1/messages/count_tokens/",
    "/V1/messages",
    "/v1/Messages",
    "/v1/MESSAGES/COUNT_TOKENS",
    "/v1/messages/Count_Tokens",
    "/V1/messages/batches/x",
    "/messages",
    "/message",
    "/Messages/",
    "/messages/count_tokens",
    "/count_tokens",
    "/v1/count_tokens",
    "/v1/message",
    "/v1/mesages",
    "/v1/messgaes",
    "/v1/message/count_tokens",
    "/v1/messages/count-tokens",
    "/v1/messages/countTokens",
    "/v1/messages/count_tokens/x",
    "/v2/messages",
    "/api/messages",
    "/api/v1/messages",
    "/anthropic/v1/messages",
    "/anthropic/v1/models",
    "/api/anthropic/v1/messages",
    "/api/paas/v4/chat/completions",
    "/my/gateway/v1/messages",
    "/my/gateway/v1/messages/count_tokens",
    "/v1/messages/v1/messages",
    "/v1/messages/messages",
    "/v1/%6Dessages",
    "/v1%252Fmessages",
    "/v1/x/../messages",
    "/v1/models/%2e%2e/messages",
    "/../v1/messages",
    "/v1/messages%20",
    "/%20/v1/messages",
    "/./v1/messages",
    "/v1/../v1/messages",
    "/v1\\messages",
    "/v1/messages;x",
    "/v1/messages#x",
    "/v1/complete",
    "/complete",
    "/v1/completions",
    "/v1/chat/completions",
    "/chat/completions",
    "/openai/v1/chat/completions",
    "/v1/responses",
    "/health",
    "/health/",
    "/HEALTH",
    "//health",
    "/%68ealth",
    "/health/live",
    "/healthz",
    "/v1/health",
    "/api/health",
]
ANTHROPICS = [
    "/",
    "",
    "/api/hello",
    "/v1/models",
    "/v1/models/",
    "/v1/models/claude-opus-4-6",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/messages/batches",
    "/v1/messages/batches/msgbatch_1/results",
    "/v1/messages/a_later_one",
    "/v1/files",
    "/v1/files/file_1/content",
    "/v1/skills",
    "/v1/oauth/token",
    "/v1/mcp_servers",
    "/v1/sessions/s_1/messages",
    "/v1/organizations/usage_report/messages",
    "/v1/code/sessions",
    "/v1/%41",
    "/api/oauth/usage",
    "/api/oauth/claude_cli/create_api_key",
    "/api/claude_cli/bootstrap",
    "/api/claude_code/metrics",
    "/api/event_logging/batch",
    "/api/web/domain_info",
    "/mcp-registry/v0/servers",
    "/v1/healthcare",
    "//evil.example/v1/messages",
    "/\\evil.example/health",
    "http://evil.example/v1/messages",
    "*",
]


@pytest.mark.parametrize("path", MISSPELT)
def test_what_a_slip_makes_of_our_paths_is_recognised(path):
    assert path_check.is_misspelt(path)


@pytest.mark.parametrize("path", ANTHROPICS)
def test_anthropics_paths_are_left_to_it(path):
    assert not path_check.is_misspelt(path)


@pytest.mark.parametrize(
    "path", ["/health", "/health/", "/HEALTH", "//health", "/%48ealth", "/health;x"]
)
def test_health_is_known_in_any_spelling(path):
    assert path_check.is_health(path)


@pytest.mark.parametrize("path", ["/", "", "/healthz", "/health/x", "/v1/health", "/v1/messages"])
def test_other_paths_are_not_health(path):
    assert not path_check.is_health(path)


@given(st.text("abcdefgh-_", min_size=1, max_size=40))
def test_messages_behind_any_other_base_is_recognised(base):
    assert path_check.is_misspelt(f"/{base}/v1/messages")
    assert path_check.is_misspelt(f"/{base}/{base}/v1/messages/count_tokens")


@given(st.text(max_size=80))
def test_any_path_is_judged(path):
    assert path_check.is_misspelt(path) in {True, False}
    assert path_check.is_health(f"/{path}") in {True, False}
