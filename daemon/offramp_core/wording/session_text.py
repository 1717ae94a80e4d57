"""Who served a session, in words: the same on the command line and in the window. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import NOT_SENT, backend_name, short_model

if TYPE_CHECKING:
    from offramp_core.usage.sessions import Service, Session

NO_PROJECT = "no project"


def services(session: Session) -> str:
    """The models, who served them, and how often: `sonnet-4-5 → glm-4.7 30, opus-4-6 12`."""
    requests: dict[str, int] = {}
    for service, totals in session.services.items():
        name = short_model(service.model)
        if service.backend is None:
            name = f"{name} ({NOT_SENT})"
        elif service.backend != ANTHROPIC:
            name = f"{name} → {_server(service)}"
        requests[name] = requests.get(name, 0) + totals.requests
    return _counted(requests)


def backends(session: Session) -> str:
    """The services by their requests: `Claude 12, Z.ai 30`."""
    requests: dict[str, int] = {}
    for service, totals in session.services.items():
        name = backend_name(service.backend)
        requests[name] = requests.get(name, 0) + totals.requests
    return _counted(requests)


def without_session(requests: int) -> str:
    """How many requests belong to no session, as a sentence."""
    return f"{requests:,} {'request' if requests == 1 else 'requests'} without a session."


def _server(service: Service) -> str:
    if service.served_model:
        return short_model(service.served_model)
    return backend_name(service.backend or "")


def _counted(requests: dict[str, int]) -> str:
    most_first = sorted(requests.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count:,}" for name, count in most_first)
