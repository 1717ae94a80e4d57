"""Asks whether the daemon answers, as a client on this machine would; blocks meanwhile."""

from __future__ import annotations

import http.client
import json
from typing import Literal

PATIENCE_S = 1.0
_MAX_BYTES = 64 * 1024

Answer = Literal["offramp", "other", "none"]
"""Who answers: Offramp, something that is not, or nobody."""


def who_answers(base_url: str, *, patience_s: float = PATIENCE_S) -> Answer:
    """Ask `/health` at `base_url`, past any proxy of the environment; each wait is `patience_s`."""
    connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=patience_s)
    try:
        connection.request("GET", "/health", headers={"Connection": "close"})
        body = connection.getresponse().read(_MAX_BYTES)
    except (http.client.HTTPException, ConnectionResetError, BrokenPipeError):
        return "other"
    except OSError:
        return "none"
    finally:
        connection.close()
    return "offramp" if _is_offramp(body) else "other"


def _is_offramp(body: bytes) -> bool:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and answer.get("service") == "offramp"
