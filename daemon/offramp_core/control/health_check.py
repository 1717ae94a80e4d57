"""Asks whether the daemon answers, as a client on this machine would; blocks meanwhile."""

from __future__ import annotations

import http.client
import json
from typing import Any, Literal

PATIENCE_S = 1.0
_MAX_BYTES = 64 * 1024

Answer = Literal["offramp", "other", "none"]
"""Who answers: Offramp, something that is not, or nobody."""


def read_health(netloc: str, *, patience_s: float) -> dict[str, Any] | None:
    """Return what Offramp answers at `netloc` to `/health`; None where something else answers.

    Where it wants a token, that is a refusal (`is_refusal`).

    No proxy of the environment is used; each wait is `patience_s` at most.

    Raises:
        OSError: nobody answers.
    """
    connection = http.client.HTTPConnection(netloc, timeout=patience_s)
    try:
        connection.request("GET", "/health", headers={"Connection": "close"})
        answer = json.loads(connection.getresponse().read(_MAX_BYTES))
    except (http.client.HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    is_offramp = isinstance(answer, dict) and answer.get("service") == "offramp"
    return answer if is_offramp else None


def is_refusal(health: dict[str, Any]) -> bool:
    """Whether Offramp answered, and would not serve who asked."""
    return health.get("status") == "refused"


def who_answers(
    base_url: str, *, patience_s: float = PATIENCE_S, has_token: bool = False
) -> Answer:
    """Return who answers at `base_url`.

    An Offramp that refuses this request is another one, unless the client `has_token` that is not
    shown here: then that is what it misses.
    """
    try:
        health = read_health(base_url.removeprefix("http://"), patience_s=patience_s)
    except (ConnectionResetError, BrokenPipeError):
        return "other"
    except OSError:
        return "none"
    if health is None or (is_refusal(health) and not has_token):
        return "other"
    return "offramp"
