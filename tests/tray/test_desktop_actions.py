"""What the desktop is asked for, with programs of the test's own."""

from __future__ import annotations

import os
import sys
import time

import pytest

from offramp_tray.desktop_actions import Desktop, DesktopError

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has programs of its own")


class Programs:
    """A folder of programs that write down how they were called."""

    def __init__(self, folder):
        self.folder = folder

    def add(self, name, script="exit 0"):
        file = self.folder / name
        file.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >"{self.folder}/{name}.called"\n{script}\n',
            encoding="utf-8",
        )
        file.chmod(0o755)
        return file

    def called(self, name):
        return (self.folder / f"{name}.called").read_text(encoding="utf-8").split("\n")[:-1]

    def was_called(self, name):
        return (self.folder / f"{name}.called").exists()


@pytest.fixture
def programs(tmp_path):
    return Programs(tmp_path)


def desktop(programs, *, program="offramp", **environ):
    path = f"{programs.folder}{os.pathsep}/bin{os.pathsep}/usr/bin"
    return Desktop({"PATH": path, **environ}, program=str(program))


def alone(programs, **environ):
    return Desktop({"PATH": str(programs.folder), **environ}, program="offramp")


def test_a_path_is_opened_by_the_desktops_own_opener(programs, tmp_path):
    programs.add("xdg-open")
    desktop(programs).open_path(tmp_path / "with space")
    assert programs.called("xdg-open") == [str(tmp_path / "with space")]


def test_an_opener_that_fails_is_told(programs, tmp_path):
    programs.add("xdg-open", "exit 3")
    with pytest.raises(DesktopError, match=r"could not be opened .* ended with 3"):
        desktop(programs).open_path(tmp_path)


def test_without_an_opener_the_path_is_told(programs, tmp_path):
    with pytest.raises(DesktopError, match=str(tmp_path)):
        alone(programs).open_path(tmp_path)


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "wl-copy"),
        ({"DISPLAY": ":0"}, "xclip"),
    ],
)
def test_the_clipboard_is_the_sessions(programs, environ, name):
    for each in ("wl-copy", "xclip", "xsel"):
        programs.add(each, f'cat >"{programs.folder}/{each}.given"')
    assert desktop(programs, **environ).copy("a line")
    assert (programs.folder / f"{name}.given").read_text(encoding="utf-8") == "a line"


def test_the_next_way_is_tried_where_one_fails(programs):
    programs.add("wl-copy", "exit 1")
    programs.add("xsel", f'cat >"{programs.folder}/xsel.given"')
    path = {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}
    assert desktop(programs, **path).copy("a line")
    assert (programs.folder / "xsel.given").read_text(encoding="utf-8") == "a line"


def test_without_a_display_there_is_no_clipboard(programs):
    programs.add("xclip")
    assert not desktop(programs).copy("a line")
    assert not programs.was_called("xclip")


def test_a_program_that_stays_holds_nobody_up(programs):
    programs.add("xclip", "sleep 60 &")
    began_s = time.monotonic()
    assert desktop(programs, DISPLAY=":0").copy("a line")
    assert time.monotonic() - began_s < 50


def test_a_command_is_called_by_the_name_that_lasts(programs):
    program = programs.add("offramp")
    desktop(programs, program=program).command("restart", "--now")
    assert programs.called("offramp") == ["restart", "--now"]


@pytest.mark.parametrize("program", ["offramp", "/nowhere/offramp", "/usr/bin/pytest"])
def test_without_such_a_name_this_python_is_called(programs, program):
    words = desktop(programs, program=program).offramp()
    assert words == [sys.executable, "-P", "-m", "offramp_cli"]


def test_a_program_of_another_maker_gets_no_key(programs):
    programs.add("xclip", 'env > "$0.environ"')
    assert desktop(programs, DISPLAY=":0", ZAI_API_KEY="secret").copy("a line")
    given = (programs.folder / "xclip.environ").read_text(encoding="utf-8")
    assert "DISPLAY=:0" in given
    assert "ZAI_API_KEY" not in given


def test_a_command_that_fails_says_what_it_said(programs):
    program = programs.add(
        "offramp", 'echo "offramp: The daemon is not running." >&2\necho "  Start it." >&2\nexit 1'
    )
    with pytest.raises(DesktopError) as raised:
        desktop(programs, program=program).command("restart")
    assert (raised.value.title, raised.value.hint) == ("The daemon is not running.", "Start it.")


def test_a_command_that_fails_in_other_words_is_named(programs):
    program = programs.add("offramp", "echo No such command. >&2\nexit 2")
    with pytest.raises(DesktopError) as raised:
        desktop(programs, program=program).command("restart")
    assert raised.value.title == "`offramp restart` ended with 2."
    assert raised.value.hint == "No such command."


def test_what_is_launched_goes_on(programs):
    program = programs.add("offramp", "exec sleep 60")
    began_s = time.monotonic()
    desktop(programs, program=program).launch("charts")
    assert time.monotonic() - began_s < 50
    assert programs.called("offramp") == ["charts"]


def test_what_ends_at_once_says_why(programs):
    program = programs.add("offramp", 'echo "offramp: PySide6 is missing." >&2\nexit 1')
    with pytest.raises(DesktopError, match=r"PySide6 is missing\."):
        desktop(programs, program=program).launch("charts")


def test_a_program_that_cannot_be_started_is_an_error(programs):
    program = programs.add("offramp")
    program.write_bytes(b"\x7fELF no program at all")
    with pytest.raises(DesktopError, match="could not be started"):
        desktop(programs, program=program).launch("charts")
