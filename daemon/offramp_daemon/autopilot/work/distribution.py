"""Quantiles of amounts of work that are still to come: never negative, and leaning to the right.

A gamma distribution has the mean and the variance that the forecast knows; Wilson's and Hilferty's
approximation of its quantiles takes a few multiplications and is within a percent or two.
"""

from __future__ import annotations

import math
from typing import Final

TENTH: Final = -1.2816
"""The deviations of a normal distribution below which a tenth of it lies ..."""
NINE_TENTHS: Final = 1.2816
"""... and nine tenths."""

_LEAST_SHAPE = 1e-3
"""Below, an amount is nothing for nearly certain, and the approximation no longer holds."""


def quantile(mean: float, variance: float, deviations: float) -> float:
    """Return the amount that lies so many standard deviations of a normal above the median."""
    if mean <= 0:
        return 0.0
    if variance <= 0:
        return mean
    shape = max(mean * mean / variance, _LEAST_SHAPE)
    root = 1 - 1 / (9 * shape) + deviations / (3 * math.sqrt(shape))
    return mean * max(root, 0.0) ** 3
