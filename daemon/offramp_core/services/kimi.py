"""What is known of Moonshot's service for its Kimi models."""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services.service import ErrorKind, Fact, Model, Service

NAME: Final = "kimi"

_READ: Final = "2026-11-30"
_MODELS: Final = "OpenClaw documentation, Moonshot AI"

KIMI_K2_6: Final = Model(
    name="kimi-k2.6", context_tokens=262_144, max_output_tokens=262_144, images=True
)
KIMI_K2_7_CODE: Final = Model(
    name="kimi-k2.7-code",
    context_tokens=262_144,
    max_output_tokens=262_144,
    images=True,
    always_thinks=True,
)
KIMI_K3: Final = Model(name="kimi-k3", always_thinks=True, efforts=("low", "high", "max"))
"""Its limits were found only in a program's own settings, so they count as unknown."""

# Types of errors, as its other address has them: a guess for this one.
ERROR_CODES: Final = {
    "exceeded_current_quota_error": ErrorKind.ACCOUNT,
    "invalid_authentication_error": ErrorKind.KEY,
    "engine_overloaded_error": ErrorKind.OVERLOADED,
    "rate_limit_reached_error": ErrorKind.OVERLOADED,
}

SERVICE: Final = Service(
    title="Kimi",
    company="Moonshot",
    backend=Backend(name=NAME, base_url="https://api.moonshot.ai/anthropic", auth="bearer"),
    error_codes=ERROR_CODES,
    models=(KIMI_K2_6, KIMI_K2_7_CODE, KIMI_K3),
    own_names=("kimi-",),
    aliases={"opus": KIMI_K2_6, "sonnet": KIMI_K2_6, "haiku": KIMI_K2_6},
    fallback_model=KIMI_K2_6.name,
    overflow_model=KIMI_K2_6.name,
    key_source="https://platform.kimi.ai, under API keys",
    wants_thinking_with_calls=True,
    facts=(
        Fact(
            about="address",
            text="api.moonshot.ai/anthropic; in China api.moonshot.cn/anthropic",
            source="Developers Digest, Moonshot AI (Kimi) API compatibility",
            read=_READ,
        ),
        Fact(
            about="key",
            text="Authorization: Bearer",
            source="Developers Digest, Moonshot AI (Kimi) API compatibility",
            read=_READ,
        ),
        Fact(
            about="models",
            text="kimi-k2.6, kimi-k2.7-code and kimi-k3; no names of Claude's",
            source="promptfoo documentation, Moonshot (Kimi)",
            read=_READ,
        ),
        Fact(about="context", text="262,144; unknown for kimi-k3", source=_MODELS, read=_READ),
        Fact(about="output", text="262,144; unknown for kimi-k3", source=_MODELS, read=_READ),
        Fact(about="images", text="yes; unknown for kimi-k3", source=_MODELS, read=_READ),
        Fact(
            about="refusals",
            text="fields and blocks that it does not know; tool calls without their thinking while "
            "thinking is on; thinking switched off for kimi-k2.7-code and kimi-k3",
            source="hermes-agent, pull request 17510; Langertha documentation, MoonshotAnthropic",
            read=_READ,
        ),
        Fact(about="thinking", text="the format of its signatures is not known"),
        Fact(
            about="errors",
            text="the HTTP status and the message; named error types are a guess",
            source="Kimi Code documentation, Error Reference",
            read=_READ,
        ),
        Fact(about="quota", text="not asked"),
    ),
)
