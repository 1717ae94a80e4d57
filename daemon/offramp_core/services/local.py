"""What is known of servers on the user's own machine: LM Studio, Ollama, llama.cpp."""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services.service import Fact, Service

LM_STUDIO: Final = "lmstudio"
OLLAMA: Final = "ollama"
LLAMA_CPP: Final = "llamacpp"

_READ: Final = "2026-11-30"

_UNKNOWN: Final = (
    Fact(about="context", text="set when you start the server; set context_tokens in the route"),
    Fact(about="output", text="depends on the model: at most 32,000 are asked for"),
    Fact(about="images", text="depends on the model: none are sent"),
    Fact(about="refusals", text="not known; only the oldest fields are sent"),
    Fact(about="thinking", text="the format of its signatures is not known"),
    Fact(about="errors", text="only the HTTP status is used"),
    Fact(about="quota", text="none"),
)


def _service(name: str, title: str, port: int, page: str, models: str) -> Service:
    """Make a server that listens on this machine, without TLS, and takes no key."""
    facts = (
        Fact(about="address", text=f"localhost:{port}", source=page, read=_READ),
        Fact(about="key", text="none, unless you switch one on", source=page, read=_READ),
        Fact(about="models", text=models, source=page, read=_READ),
    )
    return Service(
        title=title,
        company=title,
        backend=Backend(name=name, base_url=f"http://localhost:{port}", auth="none"),
        facts=(*facts, *_UNKNOWN),
    )


SERVICES: Final = (
    _service(
        LM_STUDIO,
        "LM Studio",
        1234,
        "LM Studio documentation, Anthropic Compatible Endpoints",
        "those that you have loaded; a route has to name one as send_model",
    ),
    _service(
        OLLAMA,
        "Ollama",
        11434,
        "Ollama documentation, Anthropic compatibility",
        "those that you have pulled; a route has to name one as send_model",
    ),
    _service(
        LLAMA_CPP,
        "llama.cpp",
        8080,
        "ggml-org article, New in llama.cpp: Anthropic Messages API",
        "the one that it was started with, whatever the name",
    ),
)
