"""Which model serves Claude's Sonnet and Haiku: what there is to choose, and the routes for it.

The models and their limits are those of the delegate's service file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from offramp_core.config import editor, loader, tier_models
from offramp_core.config.tier_models import ServingModel, deciding, table_of
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import format_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from offramp_core.backend import Route
    from offramp_core.paths import Paths
    from offramp_core.services.service import Model

TIERS: Final = ("sonnet", "haiku")
CLAUDE: Final = "claude"
"""The choice of having Claude serve it, as without Offramp."""
_ROUTES: Final = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """One model that may serve a tier: `key` names the choice, `facts` are one line about it."""

    key: str
    name: str
    facts: str

    def __str__(self) -> str:
        """Both on one line."""
        return f"{self.name}: {self.facts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsInForce:
    """What serves each tier; None where it is nothing that can be chosen here.

    `routes` are what the settings file has, None where it has none, to be put back.
    """

    by_tier: Mapping[str, str | None]
    routes: Sequence[Mapping[str, Any]] | None


def choices(tier: str) -> tuple[ModelChoice, ...]:
    """Return what can serve `tier`: the service's usual model first, Claude itself last."""
    usual = DELEGATE.aliases.get(tier)
    models = sorted(DELEGATE.models, key=lambda model: model is not usual)
    own = ModelChoice(
        key=CLAUDE,
        name=f"Claude {tier.capitalize()}",
        facts="not delegated, uses your Claude plan",
    )
    return (*(_choice(model, is_usual=model is usual) for model in models), own)


def facts(model: Model) -> str:
    """Return one line: how much it reads, whether it sees images, whether it always thinks."""
    context = model.context_tokens
    words = [
        "context not known" if context is None else f"{_round(context)} tokens of context",
        "images" if model.images else "no images",
    ]
    return ", ".join([*words, "always thinks"] if model.always_thinks else words)


def chosen(routes: Sequence[Route], tier: str) -> str | None:
    """Return the key of the choice that serves `tier` now; None if it is none of `choices`."""
    place = deciding(routes, tier)
    if place is None or routes[place].backend == ANTHROPIC:
        return CLAUDE
    route, usual = routes[place], DELEGATE.aliases.get(tier)
    if route.backend != DELEGATE.name:
        return None
    if route.send_model is None:
        return usual.name if usual else None
    names = {model.name.lower(): model.name for model in DELEGATE.models}
    return names.get(route.send_model.lower())


def with_choice(routes: Sequence[Route], tier: str, key: str) -> tuple[Route, ...]:
    """Return `routes` with `tier` served as `key` says; all other routes stay."""
    if chosen(routes, tier) == key:
        return tuple(routes)
    return tier_models.with_choice(routes, tier, _model(key))


def in_force(paths: Paths, environ: Mapping[str, str]) -> ModelsInForce:
    """Read what serves each tier.

    Raises:
        ConfigError: the settings are wrong as they stand.
    """
    loaded = loader.load(paths, environ)
    routes = loaded.settings.routes
    is_set = loaded.origins[_ROUTES] != "default"
    return ModelsInForce(
        by_tier={tier: chosen(routes, tier) for tier in TIERS},
        routes=[table_of(route) for route in routes] if is_set else None,
    )


def save(paths: Paths, environ: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Write routes by which each tier in `wanted` is served as its choice says.

    Raises:
        ConfigError: the settings are wrong as they stand.
        OfframpError: the file can't be written.
    """
    before = loader.load(paths, environ).settings.routes
    routes: tuple[Route, ...] = before
    for tier, key in wanted.items():
        routes = with_choice(routes, tier, key)
    if routes != before:
        is_usual = routes == DELEGATE.routes
        put_back(paths, environ, None if is_usual else [table_of(each) for each in routes])


def put_back(
    paths: Paths, environ: Mapping[str, str], routes: Sequence[Mapping[str, Any]] | None
) -> None:
    """Have the settings file hold `routes`, as `ModelsInForce` had them; None for none.

    Raises:
        ConfigError: the settings would be refused.
        OfframpError: the file can't be written.
    """
    editor.save(paths, environ, {_ROUTES: routes})


def _choice(model: Model, *, is_usual: bool) -> ModelChoice:
    line = facts(model)
    return ModelChoice(
        key=model.name, name=model.name, facts=f"{line} (usual)" if is_usual else line
    )


def _round(tokens: int) -> str:
    return format_tokens(tokens).replace(".0", "")


def _model(key: str) -> ServingModel:
    if key == CLAUDE:
        return tier_models.CLAUDE
    limits = DELEGATE.limits_of(key)
    return ServingModel(
        backend=DELEGATE.name, model=limits.name, context_tokens=limits.context_tokens
    )
