"""Weighs what Claude answers against what a delegate would: which of the two the client should get.

Pure: it looks at heads of answers and at known failures, and decides nothing about routes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.services import anthropic

if TYPE_CHECKING:
    from offramp_daemon.messages.answers.errors import Failure
    from offramp_daemon.upstream.answer import Answer

_QUOTA_STATUS = 429
_LOGIN_REFUSED = 401
_NOT_FOR_THIS_CLIENT = frozenset({401, 403, 404})
"""By which Claude says that it does not take the login, or does not know the model."""

_UNIFIED_STATUS = "anthropic-ratelimit-unified-status"
_CLAIM = "anthropic-ratelimit-unified-representative-claim"
_REJECTED = "rejected"
_PASSING = frozenset(
    {
        api.BUSY,
        api.OVERLOADED,
        api.FAILING,
        api.UNREACHABLE,
    }
)
_LASTING = frozenset({api.LIMIT, api.KEY_REFUSED, api.ACCOUNT})
"""What a delegate refuses for long, so that only Claude can serve the client."""
_UNTRIED = frozenset({api.REFUSED, api.UNKNOWN_MODEL, api.EMPTY_ANSWERS})
"""For what a delegate was skipped: it may well serve the request, and was not asked."""


def is_quota_refusal(answer: Answer) -> bool:
    """Whether Claude refuses the request since its plan is spent, rather than for a moment."""
    if answer.status != _QUOTA_STATUS:
        return False
    return answer.headers.get(_UNIFIED_STATUS) == _REJECTED or _CLAIM in answer.headers


def is_worse(answer: Answer, cause: str | None, *, credential: str | None) -> bool:
    """Whether Claude's `answer` is of less use than that of a delegate in trouble for `cause`.

    What a delegate in passing trouble fails the client tries again, and a spent plan's refusal not.
    Where Claude does not take the login, or know the model, nobody should have to log in again, or
    to choose another model, for a delegate's failure. But a subscription's token, as `credential`,
    may only be too old: the client renews it, if it hears so, and is served then.
    """
    if answer.status == _LOGIN_REFUSED and cause in _LASTING:
        return not (credential or "").startswith(anthropic.TOKEN_PREFIX)
    if answer.status in _NOT_FOR_THIS_CLIENT:
        return True
    return cause in _PASSING | _UNTRIED and is_quota_refusal(answer)


def is_silence_worse(cause: str | None, failure: Failure | None) -> bool:
    """Whether a Claude that can't be reached is of less use than a delegate in trouble for `cause`.

    It is if the delegate may well answer by now, or, asked already, has said in `failure` what is
    wrong with the request.
    """
    if failure is None:
        return cause in _PASSING | _UNTRIED and cause != api.UNREACHABLE
    return failure.trouble is None
