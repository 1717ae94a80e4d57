"""launchd's file for standard error is emptied when it is large, and no other file ever is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from offramp_core.login_item import launchd_agents
from offramp_daemon.supervisor import stderr_file

if TYPE_CHECKING:
    from pathlib import Path

OURS = {"XPC_SERVICE_NAME": launchd_agents.DAEMON_LABEL}
LARGE = stderr_file.MOST_BYTES + 1


def _left(file: Path, size: int, environ: dict[str, str], *, flags: int = os.O_APPEND) -> int:
    """The size of `file` after it was bounded and one more line was written."""
    with file.open("wb") as made:
        made.truncate(size)
    descriptor = os.open(file, os.O_WRONLY | flags)
    try:
        stderr_file.bound(environ, descriptor=descriptor)
        os.write(descriptor, b"line\n")
    finally:
        os.close(descriptor)
    return file.stat().st_size


def test_large_file_is_emptied_and_written_from_its_beginning(tmp_path: Path) -> None:
    assert _left(tmp_path / "log", LARGE, OURS) == len(b"line\n")


def test_file_that_is_not_large_yet_stays(tmp_path: Path) -> None:
    assert _left(tmp_path / "log", LARGE - 1, OURS) == LARGE - 1 + len(b"line\n")


@pytest.mark.parametrize("environ", [{}, {"XPC_SERVICE_NAME": "com.example.mine"}])
def test_file_of_anybody_elses_choice_stays(environ: dict[str, str], tmp_path: Path) -> None:
    assert _left(tmp_path / "log", LARGE, environ) == LARGE + len(b"line\n")


def test_file_that_is_not_appended_to_stays(tmp_path: Path) -> None:
    assert _left(tmp_path / "log", LARGE, OURS, flags=0) == LARGE


def test_what_is_no_file_is_passed_over() -> None:
    reader, writer = os.pipe()
    stderr_file.bound(OURS, descriptor=writer)
    os.write(writer, b"line\n")
    assert os.read(reader, 9) == b"line\n"
    os.close(reader)
    os.close(writer)
    stderr_file.bound(OURS, descriptor=writer)
