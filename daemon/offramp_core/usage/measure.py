"""What is counted where one number must stand for the week: tray, window and command line agree."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Measure(Enum):
    """What shares and bars count; the value is the unit's name, which always stands beside them."""

    REQUESTS = "requests"
    TOKENS = "tokens"


DEFAULT: Final = Measure.TOKENS
"""Plans are used up by tokens; a small model's tiny requests say little."""
