"""What one supervisor leaves to the next, and what becomes of it where it can't be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from daemon_process import SOURCES
from patience import PATIENCE_S

from offramp_daemon.supervisor import self_upgrade
from offramp_daemon.supervisor.self_upgrade import VARIABLE, HandedState, HandedWorker

WHOLE = {
    "listeners": [5],
    "workers": [{"pid": 41, "channel": 8, "phase": "serving", "since": "a newer version"}],
    "has_served": True,
}


def test_nothing_was_left_at_the_first_start():
    assert self_upgrade.take_from({}) is None


def test_what_was_left_is_read_once():
    environ = {VARIABLE: json.dumps(WHOLE), "HOME": "/h"}
    handed = self_upgrade.take_from(environ)
    assert handed == HandedState((5,), (HandedWorker(41, 8, "serving"),), has_served=True)
    assert environ == {"HOME": "/h"}


READ = """
import os, sys
from offramp_daemon.supervisor import self_upgrade as renewal
print(renewal.take_from(os.environ))
for number in map(int, sys.argv[1:]):
    try:
        os.fstat(number)
        print(number, "open")
    except OSError:
        print(number, "closed")
"""


@pytest.mark.parametrize(
    ("text", "has_listener"),
    [
        ("{", False),
        ("[]", False),
        ('{"listeners": 3}', False),
        ('{"listeners": [LISTENER]}', True),
        ('{"listeners": [LISTENER], "workers": [{"pid": "x"}], "has_served": true}', True),
        (
            '{"listeners": [LISTENER], "has_served": true,'
            ' "workers": [{"pid": 1, "channel": 2, "phase": "dancing"}]}',
            True,
        ),
    ],
)
def test_what_cannot_be_read_is_let_go_of_but_for_the_sockets(text, has_listener):
    """Workers see their channel close then, and end as they do without a supervisor."""
    listener, worker = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", READ, str(listener), str(worker)],
            pass_fds=[listener, worker],
            env={
                **os.environ,
                "PYTHONPATH": SOURCES,
                VARIABLE: text.replace("LISTENER", str(listener)),
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
    finally:
        os.close(listener)
        os.close(worker)
    kept = f"({listener},)" if has_listener else "()"
    assert done.stdout.splitlines() == [
        f"HandedState(listeners={kept}, workers=(), has_served=False)",
        f"{listener} {'open' if has_listener else 'closed'}",
        f"{worker} closed",
    ]


def test_mark_changes_with_the_program_and_where_it_leads(tmp_path, monkeypatch):
    (tmp_path / "v1").write_text("")
    (tmp_path / "v2").write_text("")
    link = tmp_path / "current"
    link.symlink_to("v1")
    monkeypatch.setattr(sys, "argv", [str(link)])
    first = self_upgrade.mark()
    assert self_upgrade.mark() == first
    link.unlink()
    link.symlink_to("v2")
    assert self_upgrade.mark() != first


def test_program_that_cannot_be_run_leaves_everything_as_it_was(tmp_path):
    reader, writer = os.pipe()
    try:
        with pytest.raises(FileNotFoundError):
            self_upgrade.re_execute(
                [str(tmp_path / "none")], HandedState((reader,), (), has_served=True)
            )
        assert not os.get_inheritable(reader)
    finally:
        os.close(reader)
        os.close(writer)
