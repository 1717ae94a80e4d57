"""`offramp tray` as a command."""

from __future__ import annotations

import sys

import pytest
from daemon_process import run_command
from PIL import Image


async def test_help_tells_what_it_does(tmp_path):
    ended = await run_command(tmp_path, "tray", "--help")
    assert ended.code == 0
    assert "pause delegation" in ended.out


async def test_the_icon_sheet_is_drawn_without_a_desktop(tmp_path):
    file = tmp_path / "sheet.png"
    ended = await run_command(tmp_path, "tray", "--icon-sheet", str(file))
    assert (ended.code, ended.out, ended.err) == (0, f"Drawn: {file}\n", "")
    with Image.open(file) as sheet:
        assert sheet.format == "PNG"


async def test_a_sheet_that_cannot_be_written_is_refused_with_a_hint(tmp_path):
    file = tmp_path / "nowhere" / "sheet.png"
    ended = await run_command(tmp_path, "tray", "--icon-sheet", str(file))
    assert ended.code == 1
    assert f"offramp: {file} can't be written" in ended.err
    assert "Choose another file." in ended.err


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS always has a menu bar")
async def test_where_nothing_can_show_an_icon_the_reason_is_said(tmp_path):
    ended = await run_command(tmp_path, "tray", DBUS_SESSION_BUS_ADDRESS="disabled:")
    assert ended.code == 1
    assert "offramp: Can't show the icon" in ended.err
    log = tmp_path / "diagnostics" / "tray.log"
    assert "No icon can be shown" in log.read_text(encoding="utf-8")


async def test_it_is_among_the_commands(tmp_path):
    ended = await run_command(tmp_path, "--help")
    assert "  tray " in ended.out
