"""What is known of OpenRouter, which passes requests on to many services."""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services.service import ErrorKind, Fact, Service

NAME: Final = "openrouter"

_READ: Final = "2026-11-30"
_REFERENCE: Final = "OpenRouter documentation, Create a message"

ERROR_CODES: Final = {
    "401": ErrorKind.KEY,
    "402": ErrorKind.ACCOUNT,
    "429": ErrorKind.OVERLOADED,
    "502": ErrorKind.SERVER,
    "503": ErrorKind.OVERLOADED,
}
"""Its errors repeat the HTTP status as their code, also where the status itself is 200."""

SERVICE: Final = Service(
    title="OpenRouter",
    company="OpenRouter",
    backend=Backend(name=NAME, base_url="https://openrouter.ai/api", auth="bearer"),
    error_codes=ERROR_CODES,
    key_source="https://openrouter.ai, under Keys",
    facts=(
        Fact(about="address", text="openrouter.ai/api", source=_REFERENCE, read=_READ),
        Fact(about="key", text="Authorization: Bearer", source=_REFERENCE, read=_READ),
        Fact(
            about="models",
            text="named company/model; a route has to name one as send_model",
            source="Developers Digest, Use OpenRouter in Claude Code",
            read=_READ,
        ),
        Fact(about="context", text="depends on the model; set context_tokens in the route"),
        Fact(about="output", text="depends on the model: at most 32,000 are asked for"),
        Fact(about="images", text="depends on the model: none are sent"),
        Fact(about="refusals", text="depends on the model; only the oldest fields are sent"),
        Fact(about="thinking", text="depends on the model"),
        Fact(
            about="errors",
            text="the HTTP status as a code",
            source="OpenRouter documentation, Errors and Debugging",
            read=_READ,
        ),
        Fact(about="quota", text="none: it is paid from a balance"),
    ),
)
