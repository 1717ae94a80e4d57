"""Where a request goes and why, and what beside the request and the settings decides that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_core.settings import Backend, Route
    from offramp_daemon.routing.affinity import Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a request goes. `route` is None where no delegation takes place."""

    backend: Backend
    reason: str
    route: Route | None = None
    is_ordinary: bool = False
    """Whether only the routes decided, so that the reason is not news."""
    otherwise: Decision | None = None
    """Where the routes by themselves would send what stays on Claude by choice."""
    kept_from: Route | None = None
    """The route that it would take, were it not for the rule `kept_by`."""
    kept_by: str | None = None
    """The rule of `[keep_on_anthropic]` that keeps it on Claude."""

    @property
    def is_delegated(self) -> bool:
        """Whether a backend other than the client's own gets the request."""
        return self.backend.auth != "client"


@dataclass(frozen=True, slots=True)
class AutopilotChoice:
    """What the autopilot chose for a conversation that is warm nowhere, and in one sentence why."""

    is_claude: bool
    why: str


class Chooser(Protocol):
    """The autopilot: asked where a conversation goes that is warm nowhere."""

    def __call__(
        self, model: str, delegate: str, conversation: Conversation | None
    ) -> AutopilotChoice:
        """Claude, or the backend `delegate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What beside the request and the settings decides where it goes.

    `is_warm` says whether the conversation has a warm prompt cache at a backend, `is_claude_spent`
    whether the Claude plan is known to refuse the request's model, and `choose` is the autopilot,
    asked with that model and the delegate's name; without one everything is delegated.
    """

    is_paused: bool = False
    is_warm: Callable[[Backend], bool] = lambda _backend: False
    is_claude_spent: Callable[[], bool] = lambda: False
    choose: Callable[[str, str], AutopilotChoice] | None = None


ORDINARY = Circumstances()
"""Nothing but the request and the settings counts."""
