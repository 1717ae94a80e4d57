"""What `install` and `uninstall` do, as steps: all of them described, or applied one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from offramp_core.login_item.plan import LoginItemPlan


def _say_nothing() -> None:
    """Describe a step of which there is nothing to say beforehand."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part of what a command does; both functions print what there is to say."""

    apply: Callable[[], None]
    describe: Callable[[], None] = _say_nothing

    @classmethod
    def of_plan(cls, plan: LoginItemPlan) -> Step:
        """Return the step that applies `plan`."""
        return cls(lambda: apply_plan(plan), lambda: _print(plan.describe()))


def describe(steps: Iterable[Step]) -> None:
    """Show what would be done, and do nothing."""
    click.echo("This would be done:")
    for step in steps:
        step.describe()
    click.echo("Nothing was changed.", err=True)


def apply(steps: Iterable[Step], *, again: str) -> None:
    """Do all of it, and print each thing once it is done.

    Raises:
        OfframpError: a step failed; those before it are done, and the hint has `again`.
    """
    try:
        for step in steps:
            step.apply()
    except OfframpError as error:
        error.hint = f"{error.hint}\n  {again}".strip()
        raise


def apply_plan(plan: LoginItemPlan) -> None:
    """Apply `plan`; print what it interrupts first, then each step once it is done."""
    if plan.interrupts:
        click.echo(f"Note: {plan.interrupts}", err=True)
    _print(plan.apply())


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
