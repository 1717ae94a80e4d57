"""One reason for which Anthropic refuses a request: an error's message, status and code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from offramp_simulator.service.request_view import RequestView


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error of Anthropic's; `error_code` stands in its `details`, where it has one."""

    message: str
    status: int = 400
    error_code: str | None = None


Check = Callable[[RequestView], Iterator[Problem]]
"""Finds every problem of one kind that a body has."""


def invalid(message: str) -> Problem:
    """Make a plain 400."""
    return Problem(message=message)
