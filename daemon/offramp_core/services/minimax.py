"""What is known of MiniMax's service."""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services.service import ErrorKind, Fact, Model, Service

NAME: Final = "minimax"

_READ: Final = "2026-11-30"
_GUIDE: Final = "MiniMax API documentation, Anthropic SDK"

M3: Final = Model(name="MiniMax-M3", context_tokens=500_000, images=True)
"""A million tokens are announced; a report has 500,000 for the time being."""
M2_7: Final = Model(name="MiniMax-M2.7", context_tokens=204_800)
M2_7_HIGHSPEED: Final = Model(name="MiniMax-M2.7-highspeed", context_tokens=204_800)

ERROR_CODES: Final = {
    "1000": ErrorKind.SERVER,
    "1001": ErrorKind.SERVER,
    "1002": ErrorKind.OVERLOADED,
    "1004": ErrorKind.KEY,
    "1008": ErrorKind.ACCOUNT,
    "1024": ErrorKind.SERVER,
    "1033": ErrorKind.SERVER,
    "1039": ErrorKind.TOO_LONG,
    "2013": ErrorKind.INVALID,
    "2049": ErrorKind.KEY,
    "2056": ErrorKind.QUOTA,
}
"""Its own numbers, some of which mean something else at Z.ai. Those from 1039 on: reports."""

SERVICE: Final = Service(
    title="MiniMax",
    company="MiniMax",
    backend=Backend(
        name=NAME,
        base_url="https://api.minimax.io/anthropic",
        auth="x-api-key",
        # It takes more than 0 and up to 1, and asks for 1, which is the default.
        drop_fields=("temperature",),
    ),
    error_codes=ERROR_CODES,
    models=(M3, M2_7, M2_7_HIGHSPEED),
    own_names=("minimax-",),
    aliases={"opus": M3, "sonnet": M3, "haiku": M2_7},
    fallback_model=M2_7.name,
    overflow_model=M3.name,
    key_source="https://platform.minimax.io, under API keys",
    facts=(
        Fact(
            about="address",
            text="api.minimax.io/anthropic; in China api.minimaxi.com/anthropic",
            source=_GUIDE,
            read=_READ,
        ),
        Fact(about="key", text="x-api-key; Bearer too", source=_GUIDE, read=_READ),
        Fact(about="models", text="MiniMax-M3 and MiniMax-M2.7", source=_GUIDE, read=_READ),
        Fact(
            about="context",
            text="204,800 for M2.7; 500,000 for M3",
            source="The guide above; models.dev, pull request 1940",
            read=_READ,
        ),
        Fact(about="output", text="not known: at most 32,000 are asked for"),
        Fact(
            about="images",
            text="MiniMax-M3 only; no documents",
            source="The guide above; models.dev, pull request 1940",
            read=_READ,
        ),
        Fact(
            about="refusals",
            text="a temperature of 0; models by other names",
            source=_GUIDE,
            read=_READ,
        ),
        Fact(about="thinking", text="the format of its signatures is not known"),
        Fact(
            about="errors",
            text="its own numbers, such as 1008 and 2056",
            source="MiniMax API documentation, Error codes",
            read=_READ,
        ),
        Fact(about="quota", text="not asked"),
    ),
)
