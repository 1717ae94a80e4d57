"""What a step of the set-up comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Standing = Literal["done", "open", "failed"]
"""It is set up; it is not, and nothing is wrong; it failed."""


class Way(Enum):
    """A way on that an outcome offers; the value is its button's text."""

    START = "Start the daemon"
    INSTALL = "Start at login…"
    STORE_UNCHECKED = "Store it anyway"
    REPLACE = "Replace that address"
    CONNECT = "Connect Claude Code…"
    KEY = "Enter the key…"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """How a step stands, in whole sentences, one a line."""

    standing: Standing
    text: str = ""
    can_undo: bool = False
    way: Way | None = None
    shown: str = ""
    """Lines of a file that change, as they will be."""


CANCELLED = StepOutcome(standing="open", text="Cancelled. You can try it again.")
