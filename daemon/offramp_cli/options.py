"""What the commands share: where to look (`--demo`), and how an error is shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from offramp_core.errors import OfframpError
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable


class WrongArgumentError(OfframpError):
    """An argument that can't be used; the exit code is that of click's own such errors."""


F = TypeVar("F", bound="Callable[..., Any]")


def _in_words(kind: click.IntRange | click.FloatRange) -> str:
    """Name a range, where click would write `1<=x<=520`."""
    if kind.max is None:
        return f"{kind.min} or more"
    return f"above {kind.min}, up to {kind.max}" if kind.min_open else f"{kind.min} to {kind.max}"


class WholeNumber(click.IntRange):
    """A whole number between two others; click would call it an integer range."""

    name = "whole number"

    def _describe_range(self) -> str:  # click's name: its help texts and errors show this
        return _in_words(self)


class Number(click.FloatRange):
    """A number between two others; click would call it a float range."""

    name = "number"

    def _describe_range(self) -> str:
        return _in_words(self)


def is_demo(paths: Paths) -> bool:
    """Whether `paths` are the demo's."""
    return paths == Paths.for_user(os.environ, is_demo=True)


def _to_paths(_context: click.Context, _parameter: click.Parameter, value: bool) -> Paths:
    return Paths.for_user(os.environ, is_demo=value)


def demo_option(function: F) -> F:
    """Add `--demo`; the command receives `paths`, the user's folders or the demo's."""
    decorate = click.option(
        "--demo",
        "paths",
        is_flag=True,
        callback=_to_paths,
        help="Use the demo's folders instead of your own.",
    )
    return decorate(function)
