"""Everything that is known of Z.ai's service for its GLM plans.

Sources: Z.ai's documentation; published captures of its traffic and reports of its users, where
that is said. Captures and reports are few, so what is built on them has to work either way.
"""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend, Route
from offramp_core.services.service import ErrorKind, Fact, Model, QuotaPage, Service

NAME: Final = "zai"

_PATH = "/api/anthropic"
_READ: Final = "2026-11-30"
_DOCS: Final = "Z.ai documentation"
_CAPTURES: Final = "Published captures of its traffic"
_REPORTS: Final = "Reports of its users"

# Output limits: 131,072 for GLM-4.6, 4.7 and 5.x; 98,304 for GLM-4.5-Air and its siblings. More is
# refused with 1210. Reports. Images, documents, thinking and efforts: reports where that is said,
# else a guess on the safe side.
_OUTPUT: Final = 131_072
_OUTPUT_4_5: Final = 98_304
_MILLION: Final = 1_000_000

GLM_4_5: Final = Model(name="GLM-4.5", context_tokens=128_000, max_output_tokens=_OUTPUT_4_5)
GLM_4_5_AIR: Final = Model(
    name="GLM-4.5-Air", context_tokens=128_000, max_output_tokens=_OUTPUT_4_5
)
"""Context: Z.ai's documentation for GLM-4.5-Air; a guess for GLM-4.5. Neither takes images."""

GLM_4_6: Final = Model(name="GLM-4.6", context_tokens=200_000, max_output_tokens=_OUTPUT)
GLM_4_7: Final = Model(name="GLM-4.7", context_tokens=200_000, max_output_tokens=_OUTPUT)
"""Context: Z.ai's documentation for GLM-4.7 (about 200,000); a guess for GLM-4.6."""

GLM_5: Final = Model(name="GLM-5", context_tokens=200_000, max_output_tokens=_OUTPUT)
GLM_5_1: Final = Model(name="GLM-5.1", context_tokens=200_000, max_output_tokens=_OUTPUT)
GLM_5_2: Final = Model(
    name="GLM-5.2",
    context_tokens=200_000,
    long_context_tokens=_MILLION,
    max_output_tokens=_OUTPUT,
)
"""A million tokens as `glm-5.2[1m]`: reports. The contexts without the suffix are guesses."""

_EFFORTS: Final = ("low", "high", "max")
GLM_5_3: Final = Model(
    name="GLM-5.3",
    context_tokens=200_000,
    max_output_tokens=_OUTPUT,
    always_thinks=True,
    efforts=_EFFORTS,
)
GLM_5_3_FLASH: Final = Model(
    name="GLM-5.3-Flash",
    context_tokens=_MILLION,
    max_output_tokens=_OUTPUT,
    images=True,
    always_thinks=True,
    efforts=_EFFORTS,
)
"""Thinking, efforts, and GLM-5.3-Flash's images and context: reports. GLM-5.3's: a guess."""

GLM_5_4: Final = Model(
    name="GLM-5.4",
    context_tokens=_MILLION,
    max_output_tokens=128_000,
    images=True,
    documents=True,
    always_thinks=True,
)
"""A million tokens in, 128K out, images and files: reports. That 128K are 128,000, that it always
thinks, and that it gets no effort are guesses, which do no harm if they are wrong."""

ERROR_CODES: Final = {
    # The code of an HTTP status, in the quota page's errors. Published captures.
    "401": ErrorKind.KEY,
    # All others: Z.ai's documentation.
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1005"), ErrorKind.KEY),
    **dict.fromkeys(
        ("1110", "1111", "1112", "1113", "1121", "1309", "1313", "1314", "1315"), ErrorKind.ACCOUNT
    ),
    **dict.fromkeys(("1200", "1230"), ErrorKind.SERVER),
    # "Network error" in the documentation; a schema with `$ref` gets it as well: reports.
    "1234": ErrorKind.SERVER_OR_BODY,
    **dict.fromkeys(("1210", "1212", "1213", "1214", "1215", "1301"), ErrorKind.INVALID),
    "1211": ErrorKind.UNKNOWN_MODEL,
    "1261": ErrorKind.TOO_LONG,
    "1302": ErrorKind.BUSY,
    "1305": ErrorKind.OVERLOADED,
    # Five hours, and a week or month; then the windows of single models and tools.
    **dict.fromkeys(("1308", "1310"), ErrorKind.QUOTA),
    **dict.fromkeys(("1316", "1317", "1318", "1319", "1320", "1321"), ErrorKind.QUOTA),
    "1311": ErrorKind.NO_SUCH_MODEL,
}

VAGUE_CODES: Final = frozenset({"1210", "1214"})
"""1214 comes for bodies of 1 MB and more, without a word of length: reports. 1210: a guess."""

QUOTA_PAGE: Final = QuotaPage(
    path="/api/monitor/usage/quota/limit",
    beside=_PATH,
    # The bare key, without `Bearer`. Published captures.
    headers={"Accept-Language": "en-US,en"},
)

SERVICE: Final = Service(
    title="Z.ai",
    company="Z.ai",
    backend=Backend(
        name=NAME,
        base_url=f"https://api.z.ai{_PATH}",
        # It takes `Authorization: Bearer` as well; exactly one may be sent. Published captures.
        auth="x-api-key",
        betas=("interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"),
    ),
    error_codes=ERROR_CODES,
    vague_codes=VAGUE_CODES,
    models=(
        GLM_4_7,
        GLM_4_6,
        GLM_4_5,
        GLM_4_5_AIR,
        GLM_5,
        GLM_5_1,
        GLM_5_2,
        GLM_5_3,
        GLM_5_3_FLASH,
        GLM_5_4,
    ),
    own_names=("glm-",),
    # Its own page on Claude Code: reports.
    aliases={"haiku": GLM_4_5_AIR, "sonnet": GLM_4_7, "opus": GLM_4_7},
    routes=(
        # Z.ai maps Sonnet's names to GLM-4.7 itself. Its documentation.
        Route(match="sonnet", backend=NAME, context_tokens=GLM_4_7.context_tokens),
        Route(
            match="haiku",
            backend=NAME,
            send_model=GLM_4_5_AIR.name,
            context_tokens=GLM_4_5_AIR.context_tokens,
        ),
    ),
    fallback_model=GLM_4_7.name,
    overflow_model=GLM_4_7.name,
    # An id and its secret. Published captures.
    key_shape=r"[0-9A-Fa-f]{32}\.[\w-]{8,}",
    key_source="https://z.ai, under API keys",
    quota_page=QUOTA_PAGE,
    # 24 digits, or empty, or missing: a small sample of published captures.
    signature=r"[0-9a-f]{24}",
    facts=(
        Fact(about="address", text="api.z.ai/api/anthropic", source=_DOCS, read=_READ),
        Fact(about="key", text="x-api-key; Bearer too", source=_CAPTURES, read=_READ),
        Fact(
            about="models",
            text="GLM-4.5 to GLM-5.4; names of Claude's Sonnet and Opus are mapped to GLM-4.7",
            source=_DOCS,
            read=_READ,
        ),
        Fact(
            about="context",
            text="200,000 for GLM-4.7, 128,000 for GLM-4.5-Air; some others are guesses",
            source=_DOCS,
            read=_READ,
        ),
        Fact(
            about="output",
            text="131,072; 98,304 for GLM-4.5 and GLM-4.5-Air",
            source=_REPORTS,
            read=_READ,
        ),
        Fact(about="images", text="GLM-5.3-Flash and GLM-5.4 only", source=_REPORTS, read=_READ),
        Fact(
            about="refusals",
            text="system items among messages, $ref and \\p{…} in schemas, thinking switched off "
            "for GLM-5.3; that it refuses unknown fields is a guess",
            source=_REPORTS,
            read=_READ,
        ),
        Fact(
            about="thinking",
            text="signatures of 24 digits, or none",
            source=_CAPTURES,
            read=_READ,
        ),
        Fact(about="errors", text="its own numbers, such as 1308", source=_DOCS, read=_READ),
        Fact(about="quota", text="read from a separate page", source=_CAPTURES, read=_READ),
    ),
)
