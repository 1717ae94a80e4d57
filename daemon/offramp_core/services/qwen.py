"""What is known of Alibaba's services (Model Studio, DashScope, Bailian) for Qwen models."""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services.service import ErrorKind, Fact, Model, Service

NAME: Final = "qwen"
CHINA: Final = "qwen-china"

_READ: Final = "2026-11-30"
_GUIDE: Final = "Alibaba Cloud Model Studio documentation, Anthropic API compatibility"

QWEN_3_7_MAX: Final = Model(name="qwen3.7-max", context_tokens=991_000)
QWEN_3_7_PLUS: Final = Model(name="qwen3.7-plus")
QWEN_3_6_FLASH: Final = Model(name="qwen3.6-flash")
QWEN_3_CODER_PLUS: Final = Model(name="qwen3-coder-plus")

ERROR_CODES: Final = {
    "Arrearage": ErrorKind.ACCOUNT,
    "DataInspectionFailed": ErrorKind.INVALID,
    "InvalidApiKey": ErrorKind.KEY,
    "InvalidParameter": ErrorKind.INVALID,
    "ModelNotFound": ErrorKind.UNKNOWN_MODEL,
    "Throttling": ErrorKind.OVERLOADED,
    "Throttling.RateQuota": ErrorKind.OVERLOADED,
    "Throttling.AllocationQuota": ErrorKind.OVERLOADED,
}
"""DashScope's names; that they come through the Anthropic-compatible address is a guess."""

_FACTS: Final = (
    Fact(about="key", text="x-api-key; Bearer too", source=_GUIDE, read=_READ),
    Fact(
        about="models",
        text="qwen3.7-max, qwen3.7-plus, qwen3.6-flash and qwen3-coder-plus",
        source="Developers Digest, Use Qwen in Claude Code",
        read=_READ,
    ),
    Fact(
        about="context",
        text="991,000 for qwen3.7-max; unknown for the others",
        source="Vercel AI Gateway, Qwen 3.7 Max",
        read=_READ,
    ),
    Fact(about="output", text="not known: at most 32,000 are asked for"),
    Fact(
        about="images",
        text="not qwen3.7-max; unknown for the others, which get none",
        source="Vercel AI Gateway, Qwen 3.7 Max",
        read=_READ,
    ),
    Fact(
        about="refusals",
        text="fields and blocks that it does not know, and names of Claude's models: guesses",
    ),
    Fact(about="thinking", text="the format of its signatures is not known"),
    Fact(
        about="errors",
        text="DashScope's names, such as Throttling and Arrearage",
        source="Alibaba Cloud Model Studio documentation, Error codes",
        read=_READ,
    ),
    Fact(about="quota", text="not asked"),
)


def _service(name: str, title: str, host: str, key_source: str) -> Service:
    """Make one of the two services, which differ only by address and keys."""
    address = Fact(about="address", text=f"{host}/apps/anthropic", source=_GUIDE, read=_READ)
    return Service(
        title=title,
        company="Alibaba",
        backend=Backend(name=name, base_url=f"https://{host}/apps/anthropic", auth="x-api-key"),
        error_codes=ERROR_CODES,
        models=(QWEN_3_7_MAX, QWEN_3_7_PLUS, QWEN_3_6_FLASH, QWEN_3_CODER_PLUS),
        own_names=("qwen",),
        aliases={"opus": QWEN_3_7_MAX, "sonnet": QWEN_3_7_MAX, "haiku": QWEN_3_6_FLASH},
        fallback_model=QWEN_3_CODER_PLUS.name,
        overflow_model=QWEN_3_7_MAX.name,
        key_source=key_source,
        facts=(address, *_FACTS),
    )


SERVICE: Final = _service(
    NAME, "Qwen", "dashscope-intl.aliyuncs.com", "Model Studio's console, region Singapore"
)
SERVICE_CHINA: Final = _service(
    CHINA, "Qwen China", "dashscope.aliyuncs.com", "Bailian's console, region Beijing"
)
