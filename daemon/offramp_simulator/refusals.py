"""Choosing which refusals are on, by names such as `zai:fields`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.errors import OfframpError
from offramp_simulator.anthropic import rules as anthropic_rules
from offramp_simulator.zai import strictness as zai_strictness

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = frozenset(
    (
        *(f"anthropic:{name}" for name in anthropic_rules.ALL),
        *(f"zai:{name}" for name in (*zai_strictness.ALL, zai_strictness.CLAUDE_NAMES)),
    )
)


class UnknownRefusalError(OfframpError):
    """A refusal was named that the simulator does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """The names of the refusals that are on, by service: options of `Simulator`."""

    anthropic: frozenset[str] = anthropic_rules.ALL
    zai: frozenset[str] = zai_strictness.ALL


EVERY = Refusals()


def choose(*, is_lenient: bool, allow: Iterable[str], refuse: Iterable[str]) -> Refusals:
    """Start from all refusals, or from none if `is_lenient`; take `allow` out, put `refuse` in.

    Raises:
        UnknownRefusalError: a name is not one of `NAMES`.
    """
    allowed, refused = frozenset(allow), frozenset(refuse)
    for name in sorted(allowed | refused):
        if name not in NAMES:
            raise UnknownRefusalError(
                f"The simulated services have no refusal {name!r}.",
                hint=f"They have {', '.join(sorted(NAMES))}.",
            )

    def of(service: str, usual: frozenset[str]) -> frozenset[str]:
        begun = frozenset[str]() if is_lenient else usual
        return (begun - _names_of(service, allowed)) | _names_of(service, refused)

    return Refusals(
        anthropic=of("anthropic", anthropic_rules.ALL), zai=of("zai", zai_strictness.ALL)
    )


def _names_of(service: str, names: frozenset[str]) -> frozenset[str]:
    lead = f"{service}:"
    return frozenset(name.removeprefix(lead) for name in names if name.startswith(lead))
