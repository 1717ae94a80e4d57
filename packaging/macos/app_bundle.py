"""What makes the bundle's files an app of macOS; the spec of the bundle reads it.

The app is a menu-bar icon (`LSUIElement`): neither it nor the charts have an icon in the Dock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from offramp_core.programs import APP_ID
from offramp_tray.state.tray_state import Condition
from offramp_tray.view import icon
from offramp_tray.view.icon_bars import STEPS, Level

if TYPE_CHECKING:
    from pathlib import Path

APP = "Offramp.app"
BUNDLE_ID = APP_ID
OLDEST_MACOS = "13.0"
"""What the newest Qt that the pins allow runs on."""

_ICON_PX = 1024
_GROUND = (28, 32, 40, 255)
# Apple's template: the plate leaves a margin, and has corners of this radius.
_MARGIN, _RADIUS, _INSET = 100, 185, 250


def info_plist(version: str) -> dict[str, Any]:
    """Return the keys of the app's Info.plist that PyInstaller does not write itself.

    It also writes `LSBackgroundOnly` for a program that a terminal can run: no window would show.
    """
    return {
        "LSBackgroundOnly": False,
        "LSUIElement": True,
        "NSHighResolutionCapable": True,
        "CFBundleName": "Offramp",
        "CFBundleDisplayName": "Offramp",
        "CFBundleShortVersionString": version,
        "CFBundleVersion": version,
        "LSMinimumSystemVersion": OLDEST_MACOS,
        "LSApplicationCategoryType": "public.app-category.developer-tools",
        "NSHumanReadableCopyright": "MIT licence",
    }


def draw_icon(size_px: int = _ICON_PX) -> Image.Image:
    """Return the app's icon: the tray's two bars on a plate."""
    levels = (
        Level(backend="anthropic", steps=STEPS * 3 // 4),
        Level(backend="zai", steps=STEPS // 2),
    )
    look = icon.IconLook(condition=Condition.RUNNING, levels=levels, backends=("anthropic", "zai"))
    picture = Image.new("RGBA", (_ICON_PX, _ICON_PX))
    edge = _ICON_PX - 1 - _MARGIN
    ImageDraw.Draw(picture).rounded_rectangle(
        (_MARGIN, _MARGIN, edge, edge), radius=_RADIUS, fill=_GROUND
    )
    bars = icon.draw(look, _ICON_PX - 2 * _INSET)
    picture.alpha_composite(bars, (_INSET, _INSET))
    return picture.resize((size_px, size_px), Image.Resampling.LANCZOS)


def write_icon(file: Path) -> Path:
    """Write the icon in every size that macOS wants into `file`, an .icns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draw_icon().save(file, format="ICNS")
    return file
