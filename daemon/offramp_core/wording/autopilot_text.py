"""The autopilot's sentences: where a conversation went, and why. One wording for all who show it.

The daemon makes them, and the request log keeps them as a record's reason: who reads a record finds
one by `SENTENCE`. They hold no content of a request.
"""

from __future__ import annotations

import re
from typing import Final

SENTENCE: Final = re.compile(r"\S+ on (?P<where>[^:]+): (?P<why>.+)")

CLAUDE: Final = "Claude"
IS_CALM: Final = "less than half of the week's pace is used"
TO_ASK: Final = "it shows how much of the week is used"
COST_UNKNOWN: Final = "it is not known yet how much of the Claude week requests use"
NOT_FRESH: Final = "Claude's figures are not known freshly enough"
SENSELESS: Final = "Claude's figures make no sense"
WEEK_USED_UP: Final = "the Claude week is used up"
READING_LOG: Final = "your log is being read"
FAILED: Final = "the autopilot failed"


def sentence(tier: str, where: str, why: str) -> str:
    """Return `Sonnet on Z.ai: Opus needs the rest of the week`."""
    return f"{tier.title()} on {where}: {why}"


def under_pace(room: float) -> str:
    """Return that so much of the week is free beside what is kept, as a fraction."""
    percent = round(room * 100)
    return f"the week is {percent} % under pace" if percent else "the week is just under pace"


def would_run_out(delegate: str) -> str:
    """Return that the delegate's plan would not last."""
    return f"{delegate} would run out"


def counts_double(delegate: str) -> str:
    """Return that the delegate's plan counts more at this hour than at others."""
    return f"{delegate} counts double at this hour"


def needed(what: str, window: str) -> str:
    """Return that `what` needs the rest of Claude's window of that name."""
    return f"{what} needs the rest of the {window}"


def too_little(window: str) -> str:
    """Return that Claude's window of that name has not enough left."""
    return f"too little of the {window} is left"


def used_up(window: str) -> str:
    """Return that a window of Claude's is used up."""
    return f"{window} is used up"
