"""`offramp charts`: opens the charts window, or draws it to a file.

Qt is imported when it is needed: help and completion are fast, and without it the rest of Offramp
works as well.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_core.errors import OfframpError
from offramp_core.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

_SIZE = re.compile(r"(\d{3,5})x(\d{3,5})")
_PAGES = ("overview", "history", "requests", "quota", "sessions")
_LIBRARIES = (
    "libegl1 libfontconfig1 libgl1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 "
    "libxcb-shape0 libxkbcommon-x11-0"
)


def _to_size(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(value.strip().lower())
    if not found or not all(300 <= int(part) <= 10_000 for part in found.groups()):
        raise click.BadParameter(
            f"{value!r} is not a size. Give width and height in pixels, 300 to 10000: 1280x800."
        )
    return int(found[1]), int(found[2])


@click.command("charts")
@click.option(
    "--screenshot",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the window to FILE (PNG) and exit; needs no display.",
)
@click.option(
    "--size",
    default="1280x800",
    callback=_to_size,
    metavar="WxH",
    help="Size of the screenshot.",
    show_default=True,
)
@click.option(
    "--theme",
    type=click.Choice(["system", "light", "dark"]),
    help="Colours.  [default: as the system, or as chosen in the window]",
)
@click.option(
    "--page",
    type=click.Choice(_PAGES),
    help="Page to show.  [default: the one shown last; overview for a screenshot]",
)
@click.option("--settings", "is_settings", is_flag=True, help="Open the settings.")
@click.option("--demo", "is_demo", is_flag=True, help="Use the demo's folders instead of your own.")
def command(
    file: Path | None,
    size: tuple[int, int],
    theme: str | None,
    page: str | None,
    is_settings: bool,
    is_demo: bool,
) -> None:
    """Open the charts window.

    It shows where the week went, what it would have cost, and a forecast, from the request
    log. A second start brings the open window to the front.
    """
    if is_settings and (file is not None or page):
        other = "--screenshot" if file is not None else "--page"
        raise click.UsageError(f"{other} and --settings can't be combined: choose one.")
    paths = Paths.for_user(os.environ, is_demo=is_demo)
    if file is None:
        _open(paths, theme, "settings" if is_settings else page or "", is_demo=is_demo)
        return
    if not _has_display(os.environ):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    app = import_app()
    from PySide6.QtCore import QSize

    from offramp_dashboard.theme import ThemeChoice

    app.save_screenshot(
        paths,
        os.environ,
        file,
        is_demo=is_demo,
        theme=ThemeChoice(theme or "light"),
        size=QSize(*size),
        page=_PAGES.index(page or "overview"),
    )
    click.echo(f"The charts are in {file}.")


def require_display(title: str, hint: str) -> None:
    """Refuse to go on where no window can be opened.

    Raises:
        OfframpError: there is no display, or X11 lacks a library; else `title` and `hint` say so.
    """
    if not _has_display(os.environ):
        raise OfframpError(title, hint=hint)
    _check_x11(os.environ)


def _open(paths: Paths, theme: str | None, place: str, *, is_demo: bool) -> None:
    require_display(
        "There is no display for the charts window.",
        "Run it in a desktop session, or draw the window to a file: offramp charts "
        f"{'--demo ' if is_demo else ''}--screenshot offramp.png",
    )
    app = import_app()
    from offramp_dashboard.theme import ThemeChoice

    is_first = app.open_window(
        paths, os.environ, is_demo=is_demo, theme=ThemeChoice(theme) if theme else None, place=place
    )
    if not is_first:
        click.echo("The charts window was already open; it is now in front.")


def import_app() -> ModuleType:
    """The window's code.

    Raises:
        OfframpError: Qt, or a library that it needs, is not there.
    """
    with _explained():
        from offramp_dashboard import app
    return app


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say what to do about a library that is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise OfframpError(
            f"The charts need {error.name}, which is not installed.",
            hint="Install Offramp with its charts, in the way that you installed it: "
            "pipx install --force 'offramp[charts]', uv tool install 'offramp[charts]' or "
            "pip install 'offramp[charts]'",
        ) from error
    except ImportError as error:  # a shared library that Qt needs, named in the text
        raise OfframpError(f"Qt can't be loaded: {error}.", hint=_library_hint()) from error


def check_libraries() -> None:
    """Load the parts of Qt that the window needs, and see whether the others are there.

    Raises:
        OfframpError: something is missing; the same as opening the window says.
    """
    with _explained():
        importlib.import_module("PySide6.QtWidgets")
        for name in ("genai_prices", "numpy", "pyqtgraph"):
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
    if _has_display(os.environ):
        _check_x11(os.environ)


def _has_display(environ: Mapping[str, str]) -> bool:
    platform: str = sys.platform  # so typed, the rest is checked on a Mac too
    if platform != "linux" or environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _check_x11(environ: Mapping[str, str]) -> None:
    """Say what X11 lacks: Qt itself would abort the process."""
    platform: str = sys.platform  # so typed, the rest is checked on a Mac too
    if platform != "linux" or environ.get("WAYLAND_DISPLAY") or not environ.get("DISPLAY"):
        return
    for library in ("libxcb-cursor.so.0", "libxkbcommon-x11.so.0", "libxcb-icccm.so.4"):
        try:
            ctypes.CDLL(library)
        except OSError as error:
            raise OfframpError(
                f"Qt can't open a window here without {library}.", hint=_library_hint()
            ) from error


def _library_hint() -> str:
    return f"On Debian and Ubuntu: apt-get install {_LIBRARIES}"
