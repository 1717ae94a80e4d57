"""How long fuzzing takes: briefly and always the same in `make test`, for longer by `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_WANTED = os.environ.get("FUZZ_EXAMPLES")


def fuzz(share: float = 1.0) -> settings:
    """So many examples; with `share` below 1, so much fewer, for what takes longer."""
    return settings(
        max_examples=max(1, int(share * int(_WANTED or 40))),
        derandomize=_WANTED is None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
