"""Why delegation does not work, in words: one wording for command line, tray, window and console.

Each function gives whole sentences. They name what the backend answered by its status and code, and
never quote it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.wording.formatting import backend_name, printable, short_model

if TYPE_CHECKING:
    from offramp_core.control.api import DelegationTrouble

_LONGEST_NAME = 40
_LONGEST_DETAIL = 60

_WHAT = {
    api.REFUSED: "{name} refuses {requests}{detail}",
    api.UNKNOWN_MODEL: "{name} does not know the model {model}{detail}",
    api.EMPTY_ANSWERS: "{name} answers {requests} with nothing",
    api.KEY_REFUSED: "{name} refuses the key{detail}",
    api.LIMIT: "{name}'s quota is spent{detail}",
    api.ACCOUNT: "{name}'s plan does not serve {model}{detail}",
    api.OVERLOADED: "{name} is overloaded{detail}",
    api.BUSY: "{name} has no room for {requests}{detail}",
    api.UNREACHABLE: "{name} can't be reached",
    api.FAILING: "{name} fails {requests}{detail}",
}
_OTHER_WHAT = "{name} does not serve {requests}{detail}"

_WHY_KEPT = {
    "context_size": "they are longer than the route's context_tokens",
    "images": "they hold images",
    "documents": "they hold documents",
    "server_tools": "they use tools that only Anthropic runs",
    "structured_output": "they ask for an answer in a given form",
}

_CURES = {
    api.REFUSED: "Update Offramp, or set the route's limits in config.toml (max_output_tokens, "
    "efforts, send_model); `offramp doctor` says more.",
    api.UNKNOWN_MODEL: "Set send_model for this route in config.toml to a model that {name} has.",
    api.EMPTY_ANSWERS: "Set send_model for this route in config.toml to another model.",
    api.KEY_REFUSED: "Set the right key: offramp key set {backend}",
    api.LIMIT: "Wait until the quota resets, or choose a larger plan at {name}.",
    api.ACCOUNT: "Check the plan at {name}, or set send_model for this route in config.toml to a "
    "model that the plan includes.",
    api.OVERLOADED: "Nothing needs to be done: {name} is tried again.",
    api.BUSY: "Run fewer sessions at once, or set queue_wait_s in config.toml to a longer time.",
    api.UNREACHABLE: "Check the network; `offramp doctor` tries the way to {name}.",
    api.FAILING: "{name} is tried again; if it lasts, `offramp doctor` says more.",
}
_OTHER_CURE = "`offramp doctor` says more."

_CURES_OF_RULES = {
    "context_size": "Compact the conversation (/compact), or set context_tokens of this route in "
    "config.toml if the model takes more.",
    "images": "Set send_model for this route in config.toml to a model that takes images, or "
    "images = true if it does.",
    "documents": "Set send_model for this route in config.toml to a model that takes documents, or "
    "documents = true if it does.",
    "server_tools": "Turn those tools off in Claude Code if you want these requests delegated.",
}
_OTHER_CURE_OF_RULE = (
    "Set {rule} = false under [keep_on_anthropic] in config.toml to delegate them."
)


def cause_text(trouble: DelegationTrouble) -> str:
    """What does not work, in a sentence: `Z.ai refuses the requests for … (HTTP 400, …), so …`."""
    if trouble.cause == api.KEPT:
        return _kept_text(trouble)
    detail = f" ({printable(trouble.detail)[:_LONGEST_DETAIL]})" if trouble.detail else ""
    what = _WHAT.get(trouble.cause, _OTHER_WHAT).format(
        name=_name(trouble), model=_model(trouble), requests=_requests(trouble), detail=detail
    )
    if not trouble.requests:
        return f"{what}."
    return f"{what}, so Claude serves them: {trouble.requests} so far."


def cure_text(trouble: DelegationTrouble) -> str:
    """What to do about it, in a sentence."""
    names = {"name": _name(trouble), "backend": printable(trouble.backend)[:_LONGEST_NAME]}
    if trouble.cause != api.KEPT:
        return _CURES.get(trouble.cause, _OTHER_CURE).format(**names)
    rule = trouble.rule or ""
    cure = _CURES_OF_RULES.get(rule)
    return cure or _OTHER_CURE_OF_RULE.format(rule=printable(rule)[:_LONGEST_NAME])


def over_text(trouble: DelegationTrouble) -> str:
    """That delegation is tried again, in a sentence for when `trouble` is over."""
    return f"{_name(trouble)} gets the requests for {_model(trouble)} again."


def _kept_text(trouble: DelegationTrouble) -> str:
    rule = trouble.rule or ""
    why = _WHY_KEPT.get(rule, f"the rule {printable(rule)[:_LONGEST_NAME]} keeps them")
    whose = "The requests of a conversation" if trouble.is_in_one_conversation else "All requests"
    return f"{whose} for {_model(trouble)} stay on Claude, since {why}: {trouble.requests} so far."


def _requests(trouble: DelegationTrouble) -> str:
    if trouble.is_in_one_conversation:
        return f"the requests of a conversation for {_model(trouble)}"
    return f"the requests for {_model(trouble)}"


def _name(trouble: DelegationTrouble) -> str:
    return backend_name(trouble.backend)[:_LONGEST_NAME]


def _model(trouble: DelegationTrouble) -> str:
    return short_model(trouble.model)[:_LONGEST_NAME]
