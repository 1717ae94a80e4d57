"""How Offramp's programs start each other, from an environment and from a bundle."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from offramp_core import programs
from offramp_core.programs import Program

TOP = Path(__file__).parents[2]
PROGRAMS = get_args(Program)

SHOWN_ONLY = {
    "daemon/offramp_core/programs.py": "the one that starts it",
    "daemon/offramp_cli/doctor/report_file.py": "a report names the Python",
    "daemon/offramp_core/login_item/executables.py": "our programs are in its folder",
    "daemon/offramp_cli/version/upgrade_way.py": "where it is says how to upgrade it",
    "daemon/offramp_core/wording/menu_bar_text.py": "macOS calls the process by its name",
}
"""The modules that may name `sys.executable`, and why each one does not start it as a Python."""


@pytest.fixture
def bundle(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "offramp"))
    return tmp_path


def own_modules():
    for root in ("daemon", "tray", "dashboard_qt"):
        yield from (TOP / root).rglob("*.py")


def naming_executable(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return any(
        (isinstance(node, ast.Attribute) and node.attr in {"executable", "_base_executable"})
        or (isinstance(node, ast.ImportFrom) and any(a.name == "executable" for a in node.names))
        for node in ast.walk(tree)
    )


def test_only_one_module_starts_the_running_python():
    found = {str(file.relative_to(TOP)) for file in own_modules() if naming_executable(file)}
    assert found == set(SHOWN_ONLY)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_is_a_module_with_a_main(program):
    assert callable(importlib.import_module(programs.MODULES[program]).main)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_of_an_environment_is_run_by_its_python(program):
    python, *options, module = programs.start_command(program)
    assert python == sys.executable
    assert options == ["-P", "-m"]
    assert module == programs.MODULES[program]


@pytest.mark.parametrize("program", ["offramp", "offramp-daemon"])
def test_program_of_an_environment_really_starts(program):
    command = (*programs.start_command(program), "--version")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"{program}, version ")


@pytest.mark.parametrize("program", PROGRAMS)
def test_bundle_starts_only_its_own_programs(bundle, program):
    path, *words = programs.start_command(program)
    assert Path(path).parent == bundle
    assert Path(path).name in {"offramp", "offramp-daemon"}
    assert "-m" not in words
    assert "-c" not in words


def test_programs_of_a_bundle_are_told_apart(bundle):
    commands = [programs.start_command(program) for program in PROGRAMS]
    assert len(set(commands)) == len(PROGRAMS)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"LD_LIBRARY_PATH": "/b/_internal"}, {}),
        ({"LD_LIBRARY_PATH": "/b", "LD_LIBRARY_PATH_ORIG": "/mine"}, {"LD_LIBRARY_PATH": "/mine"}),
        ({"LD_LIBRARY_PATH": "/b", "LD_LIBRARY_PATH_ORIG": ""}, {"LD_LIBRARY_PATH": ""}),
        ({"DYLD_LIBRARY_PATH": "/b"}, {}),
        ({"_PYI_ARCHIVE_FILE": "/b/offramp", "_PYI_PARENT_PROCESS_LEVEL": "1"}, {}),
        ({"PATH": "/bin", "QT_QPA_PLATFORM": "xcb"}, {"PATH": "/bin", "QT_QPA_PLATFORM": "xcb"}),
    ],
)
def test_what_the_start_of_a_bundle_set_is_taken_back(before, after):
    environ = dict(before)
    programs.restore_environment(environ)
    assert environ == after


def test_word_from_the_path_is_the_program_that_it_leads_to(tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "offramp").write_text("")
    (tmp_path / "second" / "offramp").chmod(0o755)
    path = f"relative::{tmp_path / 'first'}:{tmp_path / 'second'}"
    found = programs.called_path("offramp", {"PATH": path})
    assert found == str(tmp_path / "second" / "offramp")


@pytest.mark.parametrize("called", ["/usr/bin/offramp", "./offramp", "bin/offramp"])
def test_path_stays_as_it_was_called(called):
    assert programs.called_path(called, {"PATH": "/usr/bin"}) == called


def test_word_that_leads_nowhere_stays(tmp_path):
    assert programs.called_path("offramp", {"PATH": str(tmp_path)}) == "offramp"
