"""What is known of DeepSeek's service."""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services.service import Fact, Model, Service

NAME: Final = "deepseek"

_READ: Final = "2026-11-30"
_GUIDE: Final = "DeepSeek API documentation, Using the Anthropic API"
_PRICES: Final = "DeepSeek API documentation, Models & Pricing"

FLASH: Final = Model(
    name="deepseek-flash", context_tokens=1_000_000, max_output_tokens=384_000, images=True
)
V4_PRO: Final = Model(name="deepseek-v4-pro", context_tokens=1_000_000, max_output_tokens=384_000)

SERVICE: Final = Service(
    title="DeepSeek",
    company="DeepSeek",
    backend=Backend(name=NAME, base_url="https://api.deepseek.com/anthropic", auth="x-api-key"),
    models=(FLASH, V4_PRO),
    own_names=("deepseek-",),
    aliases={"opus": V4_PRO, "sonnet": FLASH, "haiku": FLASH},
    fallback_model=FLASH.name,
    overflow_model=V4_PRO.name,
    key_source="https://platform.deepseek.com, under API keys",
    signature=r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    wants_thinking_with_calls=True,
    facts=(
        Fact(about="address", text="api.deepseek.com/anthropic", source=_GUIDE, read=_READ),
        Fact(about="key", text="x-api-key", source=_GUIDE, read=_READ),
        Fact(
            about="models",
            text="deepseek-flash and deepseek-v4-pro; Claude's names are mapped to them",
            source=_GUIDE,
            read=_READ,
        ),
        Fact(about="context", text="1,000,000", source=_PRICES, read=_READ),
        Fact(about="output", text="384,000", source=_PRICES, read=_READ),
        Fact(about="images", text="deepseek-flash only; no documents", source=_PRICES, read=_READ),
        Fact(
            about="refusals",
            text="other models' names; tool calls without their thinking while thinking is on, "
            "which it is unless it is switched off",
            source="hermes-agent, pull requests 17510 and 21048; the guide above",
            read=_READ,
        ),
        Fact(
            about="thinking",
            text="signed with the answer's id, a UUID",
            source="hermes-agent, pull request 21048",
            read=_READ,
        ),
        Fact(about="errors", text="only the HTTP status is used"),
        Fact(about="quota", text="none: it is paid from a balance"),
    ),
)
