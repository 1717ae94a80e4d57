"""The colours that stand for backends and models, the same in the tray and in the charts.

They are Okabe and Ito's, which colour-blind people tell apart, darker on light ground and lighter
on dark where contrast needs it. Whatever draws them also tells its parts apart by order, pattern
or words: colour is never the only sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_core.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Hue:
    """One colour, `#rrggbb`, as it is on light ground and on dark."""

    on_light: str
    on_dark: str


ORANGE = Hue("#c65102", "#f0853b")
BLUE = Hue("#0072b2", "#56b4e9")
GREEN = Hue("#00805c", "#2dbf97")
PURPLE = Hue("#a3467b", "#d98bb8")
YELLOW = Hue("#94780a", "#e6c229")
GREY = Hue("#6b6f76", "#9aa0a8")
RED = Hue("#b3261e", "#ff8a80")
"""For what went wrong; nobody's own colour."""

_HUES = (ORANGE, BLUE, GREEN, PURPLE, YELLOW)
_OF_SERVICES = {service.name: hue for service, hue in zip(SERVICES, _HUES, strict=False)}
_OTHERS = _HUES[len(_OF_SERVICES) :] or _HUES


def hue_of(backend: str | None, known: Sequence[str] = ()) -> Hue:
    """The colour of `backend`; one of the user's own gets one by its place among `known`."""
    if backend is None:
        return GREY
    if backend in _OF_SERVICES:
        return _OF_SERVICES[backend]
    others = [name for name in known if name not in _OF_SERVICES]
    return _OTHERS[others.index(backend) % len(_OTHERS)] if backend in others else GREY
