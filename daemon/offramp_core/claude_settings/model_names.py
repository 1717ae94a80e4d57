"""Models that Claude Code's settings and variables name, and where Offramp sends them.

A set-up for another service often leaves such names behind. They win over Offramp's routes without
a word, so whoever connects Claude Code is to hear of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.claude_settings import scopes
from offramp_core.config.values import shown
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import backend_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from offramp_core.claude_settings.scopes import Scope, ScopedValue
    from offramp_core.settings import Settings

_VARIABLES: Mapping[str, str] = {
    "ANTHROPIC_MODEL": "the main model's requests",
    "ANTHROPIC_DEFAULT_OPUS_MODEL": "Opus requests",
    "ANTHROPIC_DEFAULT_SONNET_MODEL": "Sonnet requests",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "Haiku requests",
    "ANTHROPIC_DEFAULT_FABLE_MODEL": "Fable requests",
    "ANTHROPIC_SMALL_FAST_MODEL": "background requests",
    "CLAUDE_CODE_SUBAGENT_MODEL": "subagents' requests",
}
"""Variables that name a model, and whose requests then ask for it."""

_SETTING = "model"
_OF_SETTING = "the main model's requests"
_ALIASES = ("opus", "fable", "default", "best", "inherit", "claude")
"""Parts of the names that Anthropic knows, where no route does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """One model that is set by name."""

    setting: ScopedValue
    requests: str
    """Which requests ask for it."""
    backend: str | None
    """Where they go; None where nobody knows the model."""
    is_of_delegate: bool
    """It is a model that Claude does not have."""

    @property
    def saw(self) -> str:
        """What is set where, without an end."""
        setting = self.setting
        return f"{setting.scope.shown} sets {setting.name} to {shown(setting.value)}"

    @property
    def problem(self) -> tuple[str, str] | None:
        """What that means and what to do about it, as sentences; None where all is well."""
        if self.is_of_delegate:
            name = backend_name(self.backend or DELEGATE.name)
            return (
                f"{self.saw}: {self.requests} go to {name} by that name, whatever your routes say. "
                f"While delegation is paused, or when {name} fails, they fail too: Claude has no "
                "such model, so it can't step in.",
                "Remove it to let Offramp's routes decide; their send_model chooses the model.",
            )
        if self.backend is None:
            return (
                f"{self.saw}. No route matches that name, so {self.requests} go to Anthropic, "
                "which does not know it.",
                "Remove it (an earlier set-up may have left it), or add a [[route]].",
            )
        return None


def find(found: Sequence[Scope], settings: Settings) -> Iterator[NamedModel]:
    """List the models that are in force in Claude Code, each with where its requests go."""
    for name, requests in _VARIABLES.items():
        if (setting := scopes.in_force(found, name)) is not None:
            yield _judged(setting, requests, settings)
    for setting in list(scopes.settings(found, _SETTING))[:1]:
        yield _judged(setting, _OF_SETTING, settings)


def warnings(found: Sequence[Scope], settings: Settings) -> list[str]:
    """List what is to be known of such names by whoever connects Claude Code."""
    problems = (named.problem for named in find(found, settings))
    return [" ".join(problem) for problem in problems if problem is not None]


def _judged(setting: ScopedValue, requests: str, settings: Settings) -> NamedModel:
    model = setting.value.lower()
    is_of_delegate = model.startswith(DELEGATE.own_names)
    return NamedModel(
        setting=setting,
        requests=requests,
        backend=_backend_for(model, settings) or (DELEGATE.name if is_of_delegate else None),
        is_of_delegate=is_of_delegate,
    )


def _backend_for(model: str, settings: Settings) -> str | None:
    """Where requests for `model`, in lower case, go by the routes or to Anthropic."""
    for route in settings.routes:
        if route.match.lower() in model:
            return route.backend
    return ANTHROPIC if any(alias in model for alias in _ALIASES) else None
