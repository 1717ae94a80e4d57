"""Offramp.app and Homebrew's files, as far as they can be looked at without a Mac."""

from __future__ import annotations

import hashlib
import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from offramp_core import __version__, programs
from offramp_core.errors import OfframpError
from offramp_core.login_item import executables, launchd_agents

TOP = Path(__file__).parents[2]
MACOS = TOP / "packaging" / "macos"
SPEC = TOP / "packaging" / "bundle" / "offramp.spec"
SUPPORT = TOP / "tests" / "support"
ADDRESS = "https://example.com/offramp/releases/download/v1"
HOMEPAGE = "https://example.com/offramp"

# Apple's "Information Property List" reference: the keys that we set, and their types.
PLIST_KEYS: dict[str, type] = {
    "LSBackgroundOnly": bool,
    "LSUIElement": bool,
    "NSHighResolutionCapable": bool,
    "CFBundleName": str,
    "CFBundleDisplayName": str,
    "CFBundleShortVersionString": str,
    "CFBundleVersion": str,
    "LSMinimumSystemVersion": str,
    "LSApplicationCategoryType": str,
    "NSHumanReadableCopyright": str,
}

QT = "PySide6/Qt/lib/QtCore.framework"
ENTRIES = {
    "binaries": [
        ["PySide6/QtCore.abi3.so", "/venv/PySide6/QtCore.abi3.so", "EXTENSION"],
        [f"{QT}/Versions/A/QtCore", "/venv/QtCore", "BINARY"],
        [f"{QT}/Versions/Current", "A", "SYMLINK"],
        [f"{QT}/QtCore", "Versions/Current/QtCore", "SYMLINK"],
        ["PySide6/Qt/plugins/platforms/libqcocoa.dylib", "/venv/libqcocoa.dylib", "BINARY"],
        ["PySide6/Qt/plugins/sqldrivers/libqsqlite.dylib", "/venv/libqsqlite.dylib", "BINARY"],
        ["PySide6/Qt/plugins/styles/libqmacstyle.dylib", "/venv/libqmacstyle.dylib", "BINARY"],
        ["libpython3.13.dylib", f"{sys.base_prefix}/lib/libpython3.13.dylib", "BINARY"],
        ["libssl.3.dylib", f"{sys.base_prefix}/lib/libssl.3.dylib", "BINARY"],
    ],
    "datas": [[f"{QT}/Resources", "Versions/Current/Resources", "SYMLINK"]],
}


def run_spec(folder: Path, **variables: str) -> dict[str, Any]:
    """What the spec makes of the entries on a Mac."""
    environ = {**os.environ, "PYTHONPATH": str(SUPPORT / "darwin"), **variables}
    done = subprocess.run(
        [sys.executable, str(SUPPORT / "fake_pyinstaller.py"), str(SPEC), str(folder)],
        input=json.dumps(ENTRIES),
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_spec(tmp_path_factory.mktemp("work"))


def test_spec_makes_an_app_with_this_version_and_icon(seen: dict[str, Any]) -> None:
    app = seen["BUNDLE"]
    assert (app["name"], app["id"]) == ("Offramp.app", programs.APP_ID)
    assert app["version"] == app["plist"]["CFBundleShortVersionString"] == __version__
    with Image.open(app["icon"]) as icon:
        assert icon.format == "ICNS"
        assert {size[0] for size in icon.info["sizes"]} >= {16, 32, 128, 256, 512}


def test_info_plist_has_documented_keys_and_shows_windows_but_no_dock_icon(
    seen: dict[str, Any],
) -> None:
    plist = plistlib.loads(plistlib.dumps(seen["BUNDLE"]["plist"]))
    assert {key: type(value) for key, value in plist.items()} == PLIST_KEYS
    assert (plist["LSUIElement"], plist["LSBackgroundOnly"]) == (True, False)
    assert re.fullmatch(r"\d+(\.\d+){0,2}", plist["CFBundleVersion"])


def test_spec_takes_the_macs_modules_and_not_linuxs(seen: dict[str, Any]) -> None:
    hidden = set(seen["Analysis"]["hidden"])
    assert {"pystray._darwin", "keyring.backends.macOS"} <= hidden
    assert {"offramp_tray.macos.appkit_backend", "offramp_daemon.supervisor.__main__"} <= hidden
    linux = [
        name for name in hidden if name.startswith(("offramp_tray.linux", "dbus_fast", "secret"))
    ]
    assert linux == []


def test_spec_keeps_the_links_of_qts_frameworks_and_the_plugins_of_a_mac(
    seen: dict[str, Any],
) -> None:
    names = {each[0] for each in seen["COLLECT"]["binaries"]}
    assert {f"{QT}/Versions/Current", f"{QT}/QtCore", f"{QT}/Versions/A/QtCore"} <= names
    assert {each.rpartition("/")[2] for each in names if "/plugins/" in each} == {
        "libqcocoa.dylib",
        "libqmacstyle.dylib",
    }
    assert f"{QT}/Resources" in {each[0] for each in seen["COLLECT"]["datas"]}


def test_a_macs_python_needs_no_licence_for_each_of_its_libraries(tmp_path: Path) -> None:
    run_spec(tmp_path)
    inventory = json.loads((tmp_path / "inventory.json").read_text())
    files = {each["file"] for each in inventory["libraries"]}
    assert "libssl.3.dylib" in files
    assert "libpython3.13.dylib" not in files


@pytest.mark.parametrize("identity", ["", "Developer ID Application: A (B)"])
def test_spec_signs_with_the_certificate_where_there_is_one(tmp_path: Path, identity: str) -> None:
    program = run_spec(tmp_path, SIGNING_IDENTITY=identity)["EXE"]
    assert program["identity"] == (identity or None)
    assert Path(program["entitlements"]).is_file()


def test_entitlements_allow_only_what_python_needs() -> None:
    with (MACOS / "entitlements.plist").open("rb") as file:
        assert plistlib.load(file) == {
            "com.apple.security.cs.allow-unsigned-executable-memory": True
        }


def test_labels_of_the_agents_begin_with_the_apps_id() -> None:
    for label in (launchd_agents.DAEMON_LABEL, launchd_agents.TRAY_LABEL):
        assert label.startswith(f"{programs.APP_ID}.")


@pytest.mark.parametrize(
    ("environ", "is_app"),
    [
        ({"__CFBundleIdentifier": "local.offramp"}, True),
        ({"__CFBundleIdentifier": "com.apple.Terminal"}, False),
        ({}, False),
    ],
)
def test_app_that_was_opened_is_told_from_a_command(
    environ: dict[str, str], *, is_app: bool
) -> None:
    assert programs.is_opened_as_app(environ) is is_app


@pytest.mark.parametrize(
    ("name", "arguments", "opened_by", "program"),
    [
        ("offramp", [], programs.APP_ID, "offramp_cli ['tray']"),
        ("offramp", [], "com.apple.Terminal", "offramp_cli []"),
        ("offramp", ["stats"], programs.APP_ID, "offramp_cli ['stats']"),
        ("offramp-daemon", [], programs.APP_ID, "offramp_daemon.supervisor.__main__ []"),
    ],
)
def test_double_click_starts_the_tray_and_nothing_else_does(
    tmp_path: Path, name: str, arguments: list[str], opened_by: str, program: str
) -> None:
    text = "import sys\ndef main(): print(__name__, sys.argv[1:])\n"
    for module in ("offramp_cli/__init__.py", "offramp_daemon/supervisor/__main__.py"):
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / module).write_text(text)
    for package in ("offramp_daemon", "offramp_daemon/supervisor"):
        (tmp_path / package / "__init__.py").touch()
    launcher = TOP / "packaging" / "bundle" / "launcher.py"
    start = f"import sys; sys.argv[0] = {name!r}; exec(open({str(launcher)!r}).read())"
    done = subprocess.run(
        [sys.executable, "-c", start, *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "__CFBundleIdentifier": opened_by},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == program, done.stderr


@pytest.mark.parametrize(
    "place",
    [
        "/private/var/folders/a/b/T/AppTranslocation/0-1/d/Offramp.app/Contents/MacOS",
        "/Volumes/Offramp/Offramp.app/Contents/MacOS",
        "/Volumes/Offramp 1/Offramp.app/Contents/MacOS",
    ],
)
def test_login_item_is_not_set_up_from_a_place_that_passes(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(executables.os, "access", lambda path, mode: True)
    with pytest.raises(OfframpError) as caught:
        executables.find({}, Path("/Users/u"), own_folder=Path(place))
    assert "Applications" in caught.value.hint


@pytest.mark.parametrize(
    "place",
    ["/Applications/Offramp.app/Contents/MacOS", "/Volumes/Work/Offramp.app/Contents/MacOS"],
)
def test_login_item_names_the_app_where_it_stays(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(executables.os, "access", lambda path, mode: True)
    found = executables.find({}, Path("/Users/u"), own_folder=Path(place))
    assert found.daemon == Path(place) / "offramp-daemon"


# Homebrew


def release_files(folder: Path, *kinds: str) -> dict[str, str]:
    """Write a release's files; their checksums by name."""
    names = [f"offramp-{__version__}-linux-x86_64.tar.gz"]
    for machine in ("arm64", "x86_64"):
        names += [f"offramp-{__version__}-macos-{machine}.{kind}" for kind in kinds]
    for name in names:
        (folder / name).write_text(name)
    return {name: hashlib.sha256(name.encode()).hexdigest() for name in names}


def homebrew(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(MACOS / "homebrew.py"), str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


GIVEN = ("--address", ADDRESS, "--homepage", HOMEPAGE)


@pytest.mark.parametrize(("kinds", "kind"), [(("zip",), "zip"), (("zip", "dmg"), "dmg")])
def test_cask_and_formula_name_the_releases_files(
    tmp_path: Path, kinds: tuple[str, ...], kind: str
) -> None:
    sums = release_files(tmp_path, *kinds)
    done = homebrew(tmp_path, *GIVEN)
    assert done.returncode == 0, done.stderr
    cask = (tmp_path / "offramp-cask.rb").read_text()
    formula = (tmp_path / "offramp-formula.rb").read_text()
    for text in (cask, formula):
        assert f'version "{__version__}"' in text
        assert f'homepage "{HOMEPAGE}"' in text
        assert not re.search(r"@[A-Z0-9_]+@", text)
    for machine in ("arm64", "x86_64"):
        assert sums[f"offramp-{__version__}-macos-{machine}.{kind}"] in cask
        assert sums[f"offramp-{__version__}-macos-{machine}.zip"] in formula
    assert f'url "{ADDRESS}/offramp-#{{version}}-macos-#{{arch}}.{kind}"' in cask
    assert f'url "{ADDRESS}/offramp-{__version__}-linux-x86_64.tar.gz"' in formula
    assert ("not signed" in cask) == (kind == "zip")


def test_cask_connects_with_what_offramp_writes(tmp_path: Path) -> None:
    release_files(tmp_path, "zip")
    homebrew(tmp_path, *GIVEN)
    cask = (tmp_path / "offramp-cask.rb").read_text()
    assert f"~/Library/LaunchAgents/{launchd_agents.DAEMON_LABEL}.plist" in cask
    assert 'app "Offramp.app"' in cask


@pytest.mark.parametrize("kind", ["zip", "dmg"])
@pytest.mark.skipif(shutil.which("ruby") is None, reason="needs ruby")
def test_cask_and_formula_are_ruby(tmp_path: Path, kind: str) -> None:
    release_files(tmp_path, "zip", kind)
    homebrew(tmp_path, *GIVEN)
    for name in ("offramp-cask.rb", "offramp-formula.rb"):
        done = subprocess.run(
            ["ruby", "-wc", str(tmp_path / name)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "Syntax OK\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--homepage", HOMEPAGE), "it is not known yet: pass --address"),
        (("--address", ADDRESS), "it is not known yet: pass --homepage"),
        (("--address", "http://example.com", "--homepage", HOMEPAGE), "is not an https address"),
        (("--address", 'https://a"; evil', "--homepage", HOMEPAGE), "is not an https address"),
        (("--address", "https://a/#{`x`}", "--homepage", HOMEPAGE), "is not an https address"),
    ],
)
def test_addresses_that_nobody_gave_are_not_invented(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    release_files(tmp_path, "zip")
    done = homebrew(tmp_path, *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert not list(tmp_path.glob("*.rb"))


def test_missing_file_of_the_release_is_named(tmp_path: Path) -> None:
    done = homebrew(tmp_path, *GIVEN)
    assert done.returncode == 1
    assert f"offramp-{__version__}-macos-arm64.zip can't be read" in done.stderr


# Its scripts


@pytest.mark.parametrize("script", sorted(MACOS.glob("*.sh")), ids=lambda script: script.name)
def test_script_is_what_a_posix_shell_takes(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True)


@pytest.mark.skipif(sys.platform == "darwin", reason="there it would go on")
def test_packaging_says_that_it_needs_macos() -> None:
    done = subprocess.run(
        ["sh", str(MACOS / "package.sh")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "This needs macOS" in done.stderr
