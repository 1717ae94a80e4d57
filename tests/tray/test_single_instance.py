"""One tray for each user."""

from __future__ import annotations

import subprocess
import sys

import pytest

from offramp_core.errors import OfframpError
from offramp_tray.single_instance import AlreadyRunningError, only_one

HOLD = """
import sys, pathlib
from offramp_tray.single_instance import only_one
with only_one(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_of_the_first(tmp_path):
    file = tmp_path / "run" / "tray.lock"
    with (
        only_one(file),
        pytest.raises(AlreadyRunningError, match="already running"),
        only_one(file),
    ):
        pytest.fail("There were two.")


def test_once_the_first_has_ended_there_may_be_another(tmp_path):
    file = tmp_path / "tray.lock"
    with only_one(file):
        pass
    with only_one(file):
        assert file.exists()


def test_one_that_was_killed_holds_nothing(tmp_path):
    file = tmp_path / "tray.lock"
    command = [sys.executable, "-c", HOLD, str(file)]
    environ = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError), only_one(file):
            pytest.fail("There were two.")
        process.kill()
    with only_one(file):
        assert file.exists()


def test_a_lock_that_cannot_be_made_is_an_error_with_a_cure(tmp_path):
    (tmp_path / "run").write_bytes(b"")
    with (
        pytest.raises(OfframpError, match="can't be created") as raised,
        only_one(tmp_path / "run" / "tray.lock"),
    ):
        pytest.fail("It was held.")
    assert raised.value.hint
