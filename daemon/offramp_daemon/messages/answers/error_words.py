"""Knows by their words the errors that need an answer of their own, whichever service sends them.

Services and gateways share no codes, but most say in one of a few ways that a prompt is too long,
or that they have no such model. Sources: the errors of OpenAI, Anthropic, vLLM, llama.cpp, Bedrock,
Gemini, Moonshot, MiniMax, DashScope, SiliconFlow and Zhipu as their users published them. Pure.
"""

from __future__ import annotations

import re
from typing import Final

from offramp_core.services import ErrorKind

_GAP = r"[^.;。\n]{0,80}?"
_PROMPT = r"\b(?:prompt|input|context|request|message|conversation|payload|body)s?\b"
_TOO_LONG = re.compile(
    "|".join(
        (
            rf"{_PROMPT}{_GAP}\btoo (?:long|large)\b",
            rf"{_PROMPT}{_GAP}\bexceed",
            rf"{_PROMPT}{_GAP}\blonger than\b",
            rf"(?<!max_)(?<!max )\btokens?\b{_GAP}\bexceed",
            r"\bcontext[ _-]?(?:length|window|size|limit)",
            r"\bmax(?:imum)?\b[^.;\n]{0,20}\b(?:context|prompt|input)\b",
            r"\bexceed\w* (?:the )?(?:max(?:imum)?|model)\W{0,2}\w* ?(?:length|tokens?)\b",
            r"\bmax_(?:prompt_tokens|seq_len|model_len)\b",
            r"\brange of input length\b",
            r"\btoo many (?:input|prompt)[ _-]tokens?\b",
            r"\btoo many tokens? in (?:the |your )?(?:prompt|input|request|messages)\b",
            r"\b(?:input|prompt)[ _-]tokens?\b[^.\n]{0,40}(?:>|\blimit is\b|\bmore than\b)",
            r"\btokens? in (?:the |your )?(?:prompt|input|request)\b[^.;\n]{0,20}\bmore than\b",
            r"\b(?:inputs?|prompt)\W{1,3}tokens\b[^.;\n]{0,40}\bmust be <",
            r"\breduce (?:the |your )?(?:length|prompt|input)",
            r"\b(?:entity|content) too large\b",
            r"超长|过长|過長|(?:请求|输入|内容|消息|請求|輸入)[^。;\n]{0,10}[过過]大",
            r"(?:长度|上下文|(?<!max_)tokens?|字数|输入|長度|輸入)[^。;\n]{0,20}超",
            r"超(?:过|出|過)[^。;\n]{0,20}(?:长度|上下文|窗口|(?<!max_)token|長度)",
        )
    ),
    re.IGNORECASE,
)
_OF_ANOTHER_LIMIT = re.compile(
    r"\b(?:quota|rate|per (?:minute|second|hour|day)|daily|weekly|monthly|balance|credits?|billing"
    r"|concurren\w+|frequency|too many requests|images?|number of tools|temperature)\b"
    r"|额度|余额|频率|并发|次数|图片",
    re.IGNORECASE,
)
_OUTPUT = re.compile(r"\bmax_\w*tokens?\b|\boutput tokens\b", re.IGNORECASE)
_INPUT = re.compile(r"prompt|input|messages|输入", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"\bmodels?\b[^.;\n]{0,100}?(?:\bnot (?:be )?(?:found|exist)|does ?n[o']t exist|\bunknown\b)"
    r"|\b(?:unknown|no such|invalid|unsupported|nonexistent|not a valid) models?\b"
    r"|\bmodel_not_(?:found|exist)|\bno endpoints found for\b"
    r"|\bclaude-[\w.-]+\W{0,3}(?:is |was )?(?:not (?:found|supported|available|recognized)"
    r"|unsupported|unavailable|无可用)"
    r"|模型[^。;\n]{0,60}不存在|不存在[^。;\n]{0,10}模型|找不到[^。;\n]{0,10}模型",
    re.IGNORECASE,
)
_MODEL = re.compile(r"\bmodels?\b|\b(?:claude|glm)-\w|模型", re.IGNORECASE)
_KEY = re.compile(
    r"\b(?:api[ _-]?keys?|keys?|credentials?|authenticat\w*|authoriz\w*|unauthorized)\b"
    # Tokens are what prompts consist of, too.
    r"|\b(?:access|auth|api|bearer|security|session|invalid|expired|revoked|missing|bad|wrong)"
    r"[ _-]tokens?\b|\btoken (?:is |was |has )?(?:been )?(?:invalid|expired|revoked|missing)\b"
    r"|密钥|令牌|鉴权|身份验证|認證",
    re.IGNORECASE,
)

NAMES: Final = {
    "context_length_exceeded": ErrorKind.TOO_LONG,
    "context_too_large": ErrorKind.TOO_LONG,
    "model_max_prompt_tokens_exceeded": ErrorKind.TOO_LONG,
    "exceed_context_size_error": ErrorKind.TOO_LONG,
    "request_too_large": ErrorKind.TOO_LONG,
    "model_not_found": ErrorKind.UNKNOWN_MODEL,
    "model_not_exist": ErrorKind.UNKNOWN_MODEL,
    "invalid_api_key": ErrorKind.KEY,
    "insufficient_quota": ErrorKind.ACCOUNT,
    "rate_limit_exceeded": ErrorKind.OVERLOADED,
}
"""Codes by name, as OpenAI's protocol has them."""

TYPES: Final = {
    "authentication_error": ErrorKind.KEY,
    "billing_error": ErrorKind.ACCOUNT,
    "invalid_request_error": ErrorKind.INVALID,
    "overloaded_error": ErrorKind.OVERLOADED,
    "rate_limit_error": ErrorKind.OVERLOADED,
    "request_too_large": ErrorKind.TOO_LONG,
}
"""Types of errors in Anthropic's protocol, for answers whose HTTP status says nothing. A delegate's
limit counts as a momentary one: a quota that is spent comes with a code."""


def says_too_long(text: str) -> bool:
    """Whether `text` says that the prompt does not fit."""
    if _TOO_LONG.search(text) is None or _OF_ANOTHER_LIMIT.search(text) is not None:
        return False
    return not speaks_of_output(text)


def speaks_of_output(text: str) -> bool:
    """Whether `text` is about the length of the answer, and so not of the prompt."""
    return _OUTPUT.search(text) is not None and _INPUT.search(text) is None


def says_no_such_model(text: str) -> bool:
    """Whether `text` says that there is no model of the name."""
    return _NO_MODEL.search(text) is not None


def speaks_of_model(text: str) -> bool:
    """Whether `text` mentions a model at all."""
    return _MODEL.search(text) is not None


def speaks_of_key(text: str) -> bool:
    """Whether `text` mentions a key or a login."""
    return _KEY.search(text) is not None
