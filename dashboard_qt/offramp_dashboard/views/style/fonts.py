"""The system's font in the sizes of the one typeface scale, with figures of one width."""

from __future__ import annotations

from PySide6.QtGui import QFont


def scaled(font: QFont, factor: float, *, is_bold: bool = False) -> QFont:
    """`font` at `factor` times its size; its digits stand in columns where it has such."""
    new = QFont(font)
    if font.pixelSize() > 0:
        new.setPixelSize(max(8, round(font.pixelSize() * factor)))
    else:
        new.setPointSizeF(max(6.0, font.pointSizeF() * factor))
    if is_bold:
        new.setWeight(QFont.Weight.DemiBold)
    new.setFeature(QFont.Tag("tnum"), 1)
    return new
