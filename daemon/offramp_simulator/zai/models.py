"""The models that the stand-in for Z.ai has, with limits of its own.

They are written down a second time, apart from what Offramp knows of the service, so that a wrong
figure there is found here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OUTPUT_4_5 = 98_304
_OUTPUT = 131_072
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model and what it refuses more of."""

    context_tokens: int = 200_000
    max_output_tokens: int = _OUTPUT
    images: bool = False
    documents: bool = False
    always_thinks: bool = False
    efforts: tuple[str, ...] = ()


_AIR = ServedModel(context_tokens=128_000, max_output_tokens=_OUTPUT_4_5)
_EFFORTS = ("low", "high", "max")

MODELS = {
    "glm-4.5": _AIR,
    "glm-4.5-x": _AIR,
    "glm-4.5-air": _AIR,
    "glm-4.5-airx": _AIR,
    "glm-4.5-flash": _AIR,
    "glm-4.6": ServedModel(),
    "glm-4.7": ServedModel(),
    "glm-5": ServedModel(),
    "glm-5.1": ServedModel(),
    "glm-5.2": ServedModel(),
    "glm-5.3": ServedModel(always_thinks=True, efforts=_EFFORTS),
    "glm-5.3-flash": ServedModel(
        context_tokens=_MILLION, images=True, always_thinks=True, efforts=_EFFORTS
    ),
    "glm-5.4": ServedModel(context_tokens=_MILLION, images=True, documents=True),
}

_FOR_CLAUDE = "glm-4.7"
_CLAUDE_NAME = re.compile(r"claude-[a-z0-9.-]*(?:sonnet|opus)[a-z0-9.-]*")


def is_claude_name(asked: str) -> bool:
    """Whether `asked` is a Claude model's name that is served by a GLM model."""
    return _CLAUDE_NAME.fullmatch(asked.lower()) is not None


def served_model(asked: str) -> str | None:
    """Name the model that answers for `asked`; None for a name that is not known."""
    name = asked.lower()
    if name in MODELS:
        return name
    return _FOR_CLAUDE if is_claude_name(name) else None


def limits_of(asked: str) -> ServedModel:
    """Find the limits of the model that answers for `asked`; those of any where it is not known."""
    return MODELS.get(served_model(asked) or "", ServedModel())
