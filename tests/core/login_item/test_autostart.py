"""The tray's autostart entry on Linux, and how a choice of the user's is kept."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from offramp_core.login_item import autostart
from offramp_core.login_item.autostart import XdgAutostart

PROGRAM = Path("/home/u/.local/bin/offramp")


@pytest.fixture
def item(tmp_path: Path) -> XdgAutostart:
    found = autostart.find({"XDG_CONFIG_HOME": str(tmp_path)}, home=tmp_path, platform="linux")
    assert isinstance(found, XdgAutostart)
    return found


def _entry(tmp_path: Path) -> Path:
    return tmp_path / "autostart" / "offramp-tray.desktop"


def test_entry_is_written_switched_off_and_removed(item: XdgAutostart, tmp_path: Path) -> None:
    assert item.choice() == "never set"
    list(item.plan_on(PROGRAM, {}).apply())
    assert item.choice() == "on"
    assert f'Exec="{PROGRAM}" "tray"\n' in _entry(tmp_path).read_text()
    assert not item.plan_on(PROGRAM, {}).is_change
    list(item.plan_off().apply())
    assert item.choice() == "off"
    list(item.plan_removal().apply())
    assert not _entry(tmp_path).exists()


@pytest.mark.parametrize(
    "line", ["Hidden=true", "X-GNOME-Autostart-enabled=false", "Hidden = true"]
)
def test_choice_made_in_the_desktops_settings_counts(
    line: str, item: XdgAutostart, tmp_path: Path
) -> None:
    list(item.plan_on(PROGRAM, {}).apply())
    file = _entry(tmp_path)
    key = line.split("=")[0].strip()
    kept = [each for each in file.read_text().splitlines() if not each.startswith(key)]
    file.write_text("\n".join([*kept, line]) + "\n")
    assert item.choice() == "off"


def test_folder_that_is_not_absolute_is_passed_over(tmp_path: Path) -> None:
    found = autostart.find({"XDG_CONFIG_HOME": "relative"}, home=tmp_path, platform="linux")
    (file,) = found.plan_on(PROGRAM, {}).files
    assert file.path == tmp_path / ".config" / "autostart" / "offramp-tray.desktop"


def test_variables_and_odd_paths_reach_the_program_as_they_are(tmp_path: Path) -> None:
    """As the specification has it: first the text's escapes go, then the command's quotes."""
    words = ['/ü b/it\'s "q" $HOME `x` back\\slash 100%/offramp', "tray"]
    text = autostart.render_entry(words, is_on=True)
    (line,) = (line for line in text.splitlines() if line.startswith("Exec="))
    value = line.removeprefix("Exec=").replace("\\\\", "\\")
    program = shlex.join([sys.executable, "-c", "import sys; print(sys.argv[1:])"])
    shown = subprocess.run(
        ["/bin/sh", "-c", f"exec {program} {value.replace('%%', '%')}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == str(words)


def test_variables_come_before_the_program(item: XdgAutostart) -> None:
    (file,) = item.plan_on(PROGRAM, {"OFFRAMP_HOME": "/o o"}).files
    assert f'Exec="env" "OFFRAMP_HOME=/o o" "{PROGRAM}" "tray"'.encode() in (file.after or b"")


@pytest.mark.parametrize("is_on", [True, False])
def test_entry_is_valid(is_on: bool, tmp_path: Path) -> None:
    validator = shutil.which("desktop-file-validate")
    if validator is None:
        pytest.skip("no desktop-file-validate here (Debian: apt-get install desktop-file-utils)")
    file = tmp_path / "offramp-tray.desktop"
    file.write_text(autostart.render_entry(['/a b/%$"`\\/offramp', "tray"], is_on=is_on))
    done = subprocess.run([validator, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
