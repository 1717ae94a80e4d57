"""How to upgrade this Offramp: by whatever installed it."""

from __future__ import annotations

import json
import shlex
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from offramp_core.login_item.executables import APP_FOLDER
from offramp_core.programs import is_bundled

_BUNDLES: Final = {
    "/usr/lib/offramp/": "install the new offramp_VERSION_amd64.deb with apt.",
    ".app/Contents/": (
        "`brew upgrade --cask offramp` if Homebrew installed it, or else put the new Offramp.app "
        "in the old one's place."
    ),
}
_TARBALL: Final = "unpack the new offramp-VERSION-linux-x86_64.tar.gz and run its installer."
_PIPX: Final = "pipx upgrade offramp && offramp install"
_UV: Final = "uv tool upgrade offramp && offramp install"
_ENVIRONMENTS: Final = {
    "/Cellar/": "brew upgrade offramp && offramp install",
    "/pipx/venvs/": _PIPX,
    "/uv/tools/": _UV,
    f"/{APP_FOLDER}/": "in the checkout: git pull && make install",
}
_LEFT_FILES: Final = {
    "pipx_metadata.json": _PIPX,
    "uv-receipt.toml": _UV,
}
"""What the tools leave in an environment, whatever folder their settings name."""
_CHECKOUT: Final = "in the checkout: git pull && make setup"


def of_this_program() -> str:
    """Return what to type, or to do, for the Offramp that runs."""
    if is_bundled():
        return for_bundle(Path(sys.executable))
    has_charts = find_spec("PySide6") is not None
    return for_environment(Path(sys.prefix), is_checkout=_is_checkout(), has_charts=has_charts)


def for_bundle(program: Path) -> str:
    """Return what to do for a bundle, by where its program is."""
    return _by_place(f"{program.resolve()}", _BUNDLES) or _TARBALL


def for_environment(prefix: Path, *, is_checkout: bool = False, has_charts: bool = False) -> str:
    """Return what to type for a Python environment; one without the charts gets none."""
    if is_checkout:
        return _CHECKOUT
    known = _by_place(f"{prefix.resolve()}/", _ENVIRONMENTS)
    left = (way for name, way in _LEFT_FILES.items() if (prefix / name).is_file())
    programs = prefix / "bin"
    python, offramp = (shlex.quote(str(programs / name)) for name in ("python", "offramp"))
    package = "'offramp[charts]'" if has_charts else "offramp"
    pip = f"{python} -m pip install --upgrade {package} && {offramp} install"
    return next(left, known) or pip


def _by_place(path: str, ways: dict[str, str]) -> str | None:
    return next((way for part, way in ways.items() if part in path), None)


def _is_checkout() -> bool:
    """Whether the environment runs the source of a checkout (an editable installation)."""
    try:
        text = metadata.distribution("offramp").read_text("direct_url.json")
        return json.loads(text or "{}").get("dir_info", {}).get("editable") is True
    except (metadata.PackageNotFoundError, ValueError):
        return False
