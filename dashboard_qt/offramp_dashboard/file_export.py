"""Asks for the name of a file to export to, and writes the window's picture there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtWidgets import QFileDialog

from offramp_core.errors import OfframpError
from offramp_dashboard.data import csv_export

if TYPE_CHECKING:
    from PySide6.QtGui import QPixmap
    from PySide6.QtWidgets import QWidget

_IMAGE = "PNG image (*.png)"
_TABLE = "CSV table (*.csv)"


def ask_for_image(parent: QWidget, name: str) -> Path | None:
    """Ask where to write an image called `name`, unless the user changes his mind."""
    return _ask(parent, "Export as Image", name, _IMAGE)


def ask_for_table(parent: QWidget, name: str) -> Path | None:
    """Ask where to write a table called `name`, unless the user changes his mind."""
    return _ask(parent, "Export as CSV", name, _TABLE)


def save_picture(file: Path, picture: QPixmap) -> None:
    """Write `picture` in the format that the file's name says, as PNG where it says nothing.

    Raises:
        OfframpError: it can't be written.
    """
    image = QByteArray()
    buffer = QBuffer(image)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    # By way of memory: a full disk must not leave half an image in the place of another.
    if not picture.save(buffer, file.suffix.removeprefix(".") or "png"):
        raise OfframpError(
            f"{file} can't be written as an image.",
            hint="Choose a name that ends in .png.",
        )
    csv_export.save_bytes(file, bytes(image.data()))


def _ask(parent: QWidget, title: str, name: str, kinds: str) -> Path | None:
    start = os.fspath(Path.home() / name)
    chosen, _ = QFileDialog.getSaveFileName(parent, title, start, kinds)
    return Path(chosen) if chosen else None
