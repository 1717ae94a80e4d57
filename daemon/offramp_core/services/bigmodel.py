"""What is known of Zhipu's service in China, which serves the same GLM plans as Z.ai."""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services import zai
from offramp_core.services.service import Fact, Service

NAME: Final = "bigmodel"

_SAME: Final = "Z.ai's documentation; that both services are alike is a guess"
_READ: Final = "2026-11-30"

SERVICE: Final = Service(
    title="Z.ai China",
    company="Zhipu",
    backend=Backend(
        name=NAME,
        base_url="https://open.bigmodel.cn/api/anthropic",
        auth="x-api-key",
        betas=zai.SERVICE.backend.betas,
    ),
    error_codes=zai.ERROR_CODES,
    vague_codes=zai.VAGUE_CODES,
    models=zai.SERVICE.models,
    own_names=zai.SERVICE.own_names,
    aliases=zai.SERVICE.aliases,
    fallback_model=zai.SERVICE.fallback_model,
    overflow_model=zai.SERVICE.overflow_model,
    key_shape=zai.SERVICE.key_shape,
    key_source="https://bigmodel.cn, under API keys",
    signature=zai.SERVICE.signature,
    facts=(
        Fact(
            about="address",
            text="open.bigmodel.cn/api/anthropic",
            source="Alfred guide, Using Zhipu GLM",
            read=_READ,
        ),
        Fact(
            about="key",
            text="x-api-key; Bearer is reported too",
            source="Alfred guide, Using Zhipu GLM",
            read=_READ,
        ),
        Fact(about="models", text="the GLM models of Z.ai", source=_SAME, read=_READ),
        Fact(about="context", text="as at Z.ai", source=_SAME, read=_READ),
        Fact(about="output", text="as at Z.ai", source=_SAME, read=_READ),
        Fact(about="images", text="GLM-5.3-Flash and GLM-5.4", source=_SAME, read=_READ),
        Fact(about="refusals", text="as at Z.ai", source=_SAME, read=_READ),
        Fact(
            about="thinking", text="signatures of 24 digits, as at Z.ai", source=_SAME, read=_READ
        ),
        Fact(about="errors", text="the codes of Z.ai", source=_SAME, read=_READ),
        Fact(about="quota", text="not asked"),
    ),
)
