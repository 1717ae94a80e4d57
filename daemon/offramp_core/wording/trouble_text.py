"""Why nothing is delegated, in words: one wording for command line, tray, window and console.

Each function gives whole sentences. They name what the backend answered by its status and code, and
never quote it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.services import service_of
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import backend_name, format_moment, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from offramp_core.control.api import (
        BackendStatus,
        ClientProblem,
        DelegationTrouble,
        ModelFallback,
        Status,
    )

CLIENT_LEFT = "Claude Code no longer uses Offramp"

_LONGEST_NAME = 40
_LONGEST_DETAIL = 60
_LONGEST_ADDRESS = 80
_MOST_MODELS = 3
"""More would be a list, not a sentence."""

_CLAUDE_MODEL = re.compile(
    r"claude-(?:(?P<old>\d{1,2}(?:-\d{1,2})?)-)?(?P<family>[a-z]+)"
    r"(?:-(?P<new>\d{1,2}(?:-\d{1,2})?))?(?:-\d{8}|-latest)?"
)
"""`claude-sonnet-5-5`, and `claude-3-5-haiku-20241022` as the older ones are named."""

_WHAT = {
    api.REFUSED: "{name} refuses {requests}{detail}",
    api.UNKNOWN_MODEL: "{name} does not know the model {sent}{detail}",
    api.TOO_LONG: "{name} refuses {requests} as too long{detail}",
    api.EMPTY_ANSWERS: "{name} gives empty answers to {requests}{detail}",
    api.KEY_REFUSED: "{name} refuses the key{detail}",
    api.LIMIT: "{name}'s quota is used up{detail}",
    api.ACCOUNT: "{name}'s plan does not include {model}{detail}",
    api.OVERLOADED: "{name} is overloaded{detail}",
    api.BUSY: "{name} has no room for {requests}{detail}",
    api.UNREACHABLE: "{name} can't be reached",
    api.FAILING: "{name} fails to answer {requests}{detail}",
}
_OTHER_WHAT = "{name} does not serve {requests}{detail}"
_OF_MODEL = frozenset({api.UNKNOWN_MODEL, api.ACCOUNT})
"""Causes whose sentence names the model, so that `its` requests are clear."""
_OF_BACKEND = frozenset({api.KEY_REFUSED, api.LIMIT, api.OVERLOADED, api.UNREACHABLE})
"""Causes whose sentence has still to say which requests Claude serves."""

_WHY_KEPT = {
    "context_size": "they exceed the route's context_tokens",
    "images": "they contain images",
    "documents": "they contain documents",
    "server_tools": "they use tools that only Anthropic runs",
    "safeguards": "Claude has to check their tool calls, as in plan and auto mode",
}

_CURES = {
    api.REFUSED: "Update Offramp, or set the limits of this route in config.toml "
    "(max_output_tokens, efforts) or another send_model.",
    api.UNKNOWN_MODEL: "Set send_model for this route in config.toml to a model that {name} "
    "serves{example}.",
    api.TOO_LONG: "Compact the conversation (/compact), or set context_tokens of this route in "
    "config.toml, so that requests that are too long are not sent.",
    api.EMPTY_ANSWERS: "Set send_model for this route in config.toml to another model.",
    api.KEY_REFUSED: "Store the right key: offramp key set {backend}",
    api.LIMIT: "Wait until the quota resets, or choose a larger plan at {name}.",
    api.ACCOUNT: "Check your plan at {name}, or set send_model for this route in config.toml to a "
    "model that the plan includes.",
    api.OVERLOADED: "You need not do anything: {name} is tried again.",
    api.BUSY: "Run fewer sessions at once, or set a longer queue_wait_s in config.toml.",
    api.UNREACHABLE: "Check the network and the proxy: offramp doctor",
    api.FAILING: "Wait: {name} is tried again. If the problem lasts, run offramp doctor.",
}
_OTHER_CURE = "Run offramp doctor, and update Offramp."

_CURES_OF_RULES = {
    "context_size": "Compact the conversation (/compact), or set context_tokens of this route in "
    "config.toml if its model accepts more.",
    "images": "Start a new conversation, or set images = true for this route in config.toml if "
    "its model accepts images.",
    "documents": "Start a new conversation, or set documents = true for this route in "
    "config.toml if its model accepts documents.",
    "safeguards": "Leave plan mode and auto mode to have the work delegated. Or set safety_check "
    "= false under [keep_on_anthropic] in config.toml; then some tools are denied "
    "in these modes.",
    "server_tools": "Turn those tools off in Claude Code if you want these requests delegated.",
}
_OTHER_CURE_OF_RULE = (
    "Set {rule} = false under [keep_on_anthropic] in config.toml to delegate them."
)


def cause_text(
    trouble: DelegationTrouble, now: datetime | None = None, zone: tzinfo | None = None
) -> str:
    """What does not work: `Z.ai refuses Sonnet 5.5 requests (…), so Claude serves them: 20 …`.

    With `now` and `zone` it says since when, else only how many requests there were so far.
    """
    served = f"{trouble.requests} {_since(trouble, now, zone)}"
    if trouble.cause == api.KEPT:
        return f"{_kept_text(trouble)}: {served}."
    detail = f" ({printable(trouble.detail)[:_LONGEST_DETAIL]})" if trouble.detail else ""
    what = _WHAT.get(trouble.cause, _OTHER_WHAT).format(
        name=_name(trouble.backend),
        model=model_title(trouble.model),
        sent=_shown(trouble.model),
        requests=_requests(trouble),
        detail=detail,
    )
    if not trouble.requests:
        return f"{what}."
    those = "its requests" if trouble.cause in _OF_MODEL else "them"
    if trouble.cause in _OF_BACKEND:
        those = _requests(trouble)
    return f"{what}, so Claude serves {those}: {served}."


def cure_text(trouble: DelegationTrouble) -> str:
    """What to do about it, in a sentence."""
    if trouble.cause == api.KEPT:
        rule = trouble.rule or ""
        return _CURES_OF_RULES.get(rule) or _OTHER_CURE_OF_RULE.format(rule=_shown(rule))
    return cure_of(trouble.cause, trouble.backend)


def cure_of(cause: str, backend: str) -> str:
    """What to do where `backend` does not serve requests for `cause`, in a sentence."""
    example = service_of(backend).overflow_model
    return _CURES.get(cause, _OTHER_CURE).format(
        name=_name(backend),
        backend=_shown(backend),
        example=f", such as {example}" if example else "",
    )


def reason_text(trouble: DelegationTrouble) -> str:
    """What stands in the `reason` of the records of its requests, which Claude has served."""
    if trouble.cause == api.KEPT:
        return f"kept: {trouble.rule or ''}".rstrip()
    return f"served by {ANTHROPIC}"


def next_try_text(trouble: DelegationTrouble, now: datetime, zone: tzinfo) -> str:
    """When one of the requests goes there again; empty where all do, or that is now."""
    if trouble.next_try is None or trouble.next_try <= now:
        return ""
    moment = format_moment(trouble.next_try, now, zone)
    return f"{_name(trouble.backend)} is tried again at {moment}."


def title_text(trouble: DelegationTrouble) -> str:
    """The head of a message about it, without a full stop."""
    model = model_title(trouble.model)
    if trouble.cause == api.KEPT:
        return f"{model} requests stay on Claude"
    return f"{_name(trouble.backend)} does not serve {model}"


def over_text(trouble: DelegationTrouble) -> str:
    """That delegation is tried again, in a sentence for when `trouble` is over."""
    if trouble.is_in_one_conversation:
        return f"The trouble with {_requests(trouble)} is over."
    return f"{_name(trouble.backend)} gets {_requests_for(trouble.model)} again."


def fallback_text(fallback: ModelFallback, now: datetime, zone: tzinfo) -> str:
    """Which model is sent for one that the backend does not know, and until when."""
    return (
        f"{_name(fallback.backend)} does not know the model {_shown(fallback.model)}, so "
        f"{_shown(fallback.sent)} is sent in its place until "
        f"{format_moment(fallback.until, now, zone)}."
    )


def fallback_cure_text(fallback: ModelFallback) -> str:
    """How to make it permanent."""
    return (
        f'To make this permanent: set send_model = "{_shown(fallback.sent)}" for this route in '
        "config.toml."
    )


def client_text(problem: ClientProblem) -> str:
    """That Claude Code has left Offramp, and what its settings say instead."""
    file = printable(problem.settings_file)
    what = (
        "contains no address" if problem.found is None else f"sends it to {_found(problem.found)}"
    )
    return f"{CLIENT_LEFT}: {file} {what}."


def client_cure_text(problem: ClientProblem) -> str:
    """What to do about it, whichever of the two the user wants."""
    force = "" if problem.found is None else " --force"
    return f"To use it again: offramp connect{force}. To keep it as it is: offramp disconnect."


def unexplained(status: Status) -> tuple[DelegationTrouble, ...]:
    """List the troubles that nothing else in `status` explains: no bypass, and no backend's error.

    Those have words and a cure of their own, and one cause is said once.
    """
    backends = {backend.name: backend for backend in status.backends}
    return tuple(
        trouble
        for trouble in status.troubles
        if not _is_explained(trouble, backends.get(trouble.backend))
    )


def stopped_models(troubles: Sequence[DelegationTrouble]) -> str:
    """Name the models that no conversation gets from their backend: `Sonnet 5.5 and GLM-4.7`.

    Empty for none. What a rule keeps is none: other requests for the same model are delegated.
    """
    models = dict.fromkeys(
        model_title(trouble.model)
        for trouble in troubles
        if trouble.cause != api.KEPT and not trouble.is_in_one_conversation
    )
    if len(models) > _MOST_MODELS:
        return f"{len(models)} models"
    *others, last = models or ("",)
    return f"{', '.join(others)} and {last}" if others else last


def model_title(model: str) -> str:
    """What people call a model: `Sonnet 5.5` for `claude-sonnet-5-5`; others by their name."""
    found = _CLAUDE_MODEL.fullmatch(model.lower().removesuffix("[1m]"))
    if found is None:
        return _shown(model)
    version = (found["new"] or found["old"] or "").replace("-", ".")
    return f"{found['family'].capitalize()} {version}".strip()


def _found(address: str) -> str:
    found = printable(address)
    return found if len(found) <= _LONGEST_ADDRESS else f"{found[: _LONGEST_ADDRESS - 1]}…"


def _is_explained(trouble: DelegationTrouble, backend: BackendStatus | None) -> bool:
    if backend is None:
        return False
    bypass, error = backend.bypass, backend.last_error
    if bypass is not None and bypass.cause == trouble.cause:
        return bypass.family in {None, trouble.model}
    return error is not None and error.kind == trouble.cause


def _kept_text(trouble: DelegationTrouble) -> str:
    rule = trouble.rule or ""
    why = _WHY_KEPT.get(rule, f"the rule {_shown(rule)} keeps them")
    requests = _requests(trouble) if trouble.is_in_one_conversation else f"All {_requests(trouble)}"
    return f"{requests} stay on Claude, because {why}"


def _requests(trouble: DelegationTrouble) -> str:
    requests = _requests_for(trouble.model)
    return f"{requests} of one conversation" if trouble.is_in_one_conversation else requests


def _requests_for(model: str) -> str:
    return f"{model_title(model)} requests"


def _since(trouble: DelegationTrouble, now: datetime | None, zone: tzinfo | None) -> str:
    if now is None or zone is None:
        return "so far"
    return f"since {format_moment(trouble.since, now, zone)}"


def _name(backend: str) -> str:
    return backend_name(backend)[:_LONGEST_NAME]


def _shown(name: str) -> str:
    return printable(name)[:_LONGEST_NAME]
