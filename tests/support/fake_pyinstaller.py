"""Runs the bundle's spec with stand-ins for PyInstaller's objects, and prints what it made of them.

    python fake_pyinstaller.py SPEC WORKPATH, with the entries of a build as JSON on standard input

The stand-ins take only the arguments that PyInstaller 6 documents for them.
"""

from __future__ import annotations

import importlib.metadata
import json
import pkgutil
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SEEN: dict[str, dict[str, Any]] = {}


class Analysis:
    """What is found: given by the test."""

    def __init__(
        self,
        scripts: list[str],
        *,
        pathex: list[str],
        datas: list[tuple[str, str]],
        hiddenimports: list[str],
        excludes: list[str],
        noarchive: bool,
        module_collection_mode: dict[str, str],
    ) -> None:
        SEEN["Analysis"] = {"scripts": scripts, "hidden": hiddenimports, "left out": excludes}
        entries = json.loads(sys.stdin.read())
        self.scripts = [("launcher", scripts[0], "PYSOURCE")]
        self.pure: list[tuple[str, str, str]] = []
        self.binaries = [tuple(each) for each in entries["binaries"]]
        self.datas = [(f"{place}/{Path(source).name}", source, "DATA") for source, place in datas]
        self.datas += [tuple(each) for each in entries["datas"]]
        assert pathex
        assert noarchive
        assert module_collection_mode


class Pyz:
    """The archive of modules."""

    def __init__(self, pure: list[tuple[str, str, str]]) -> None:
        self.pure = pure


class Exe:
    """The program."""

    def __init__(
        self,
        pyz: Pyz,
        scripts: list[tuple[str, str, str]],
        *,
        name: str,
        exclude_binaries: bool,
        console: bool,
        upx: bool,
        codesign_identity: str | None = None,
        entitlements_file: str | None = None,
    ) -> None:
        SEEN["EXE"] = {
            "name": name,
            "identity": codesign_identity,
            "entitlements": entitlements_file,
        }


class Collect:
    """The folder."""

    def __init__(
        self, exe: Exe, binaries: list[Any], datas: list[Any], *, name: str, upx: bool
    ) -> None:
        SEEN["COLLECT"] = {"name": name, "binaries": binaries, "datas": datas}


class Bundle:
    """The app."""

    def __init__(
        self,
        collected: Collect,
        *,
        name: str,
        icon: str,
        bundle_identifier: str,
        version: str,
        info_plist: dict[str, Any],
    ) -> None:
        assert isinstance(collected, Collect)
        SEEN["BUNDLE"] = {
            "name": name,
            "icon": icon,
            "id": bundle_identifier,
            "version": version,
            "plist": info_plist,
        }


def collect_submodules(
    package: str,
    filter: Callable[[str], bool] = lambda name: True,
    on_error: str = "warn once",
) -> list[str]:
    """Name the package's modules without importing them, as some are another system's."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    found = [package]
    for module in pkgutil.iter_modules(spec.submodule_search_locations, f"{package}."):
        if filter(module.name):
            found += collect_submodules(module.name, filter) if module.ispkg else [module.name]
    return found


def main() -> None:
    """Run it."""
    spec, workpath = sys.argv[1:]
    hooks = types.ModuleType("PyInstaller.utils.hooks")
    hooks.collect_submodules = collect_submodules  # type: ignore[attr-defined]
    for name in ("PyInstaller", "PyInstaller.utils"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules[hooks.__name__] = hooks
    real = importlib.metadata.distribution
    # PyInstaller is in an environment of its own, which tests do not have.
    importlib.metadata.distribution = lambda name: real("pip" if name == "pyinstaller" else name)
    given = {"Analysis": Analysis, "PYZ": Pyz, "EXE": Exe, "COLLECT": Collect, "BUNDLE": Bundle}
    code = compile(Path(spec).read_text(encoding="utf-8"), spec, "exec")
    exec(code, {**given, "SPECPATH": str(Path(spec).parent), "workpath": workpath})
    sys.stdout.write(json.dumps(SEEN))


if __name__ == "__main__":
    main()
