"""Files of login items: compared, replaced at once, and told by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from privileges import without_root

from offramp_core.errors import OfframpError
from offramp_core.login_item import planned_files
from offramp_core.login_item.plan import LoginItemPlan
from offramp_core.login_item.planned_files import Fate
from offramp_core.login_item.runner import (
    NOT_FOUND,
    TIMED_OUT,
    CommandFailedError,
    SystemRunner,
    must,
)


def test_each_fate_is_told_and_done(tmp_path: Path) -> None:
    changed, same, removed = (tmp_path / name for name in ("changed", "same", "removed"))
    for file in (changed, same, removed):
        file.write_text("old")
    created = tmp_path / "new folder" / "created"
    wanted = {created: b"new", changed: b"new", same: b"old", removed: None, tmp_path / "x": None}
    plan = LoginItemPlan(
        files=tuple(planned_files.plan(path, text) for path, text in wanted.items())
    )
    described = list(plan.describe())
    fates = [file.fate for file in plan.files]
    assert fates == [Fate.CREATED, Fate.CHANGED, Fate.SAME, Fate.REMOVED, Fate.ABSENT]
    done = list(plan.apply())
    assert done == described
    assert done[0] == f"  created   {created}"
    assert [planned_files.plan(path, text).is_change for path, text in wanted.items()] == [
        False
    ] * 5
    assert {path.name for path in tmp_path.iterdir()} == {"new folder", "changed", "same"}


def test_masked_unit_is_replaced_and_devices_stay(tmp_path: Path) -> None:
    file = tmp_path / "offramp.service"
    file.symlink_to("/dev/null")
    planned = planned_files.plan(file, b"unit")
    assert planned.fate is Fate.CHANGED
    planned_files.apply(planned)
    assert (file.is_symlink(), file.read_bytes()) == (False, b"unit")
    assert Path("/dev/null").is_char_device()


def test_folder_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "unit").mkdir()
    with pytest.raises(OfframpError, match="is a folder"):
        planned_files.plan(tmp_path / "unit", b"")


def test_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    planned = planned_files.PlannedFile(path=tmp_path / "unit", before=None, after=b"text")
    with without_root(), pytest.raises(OfframpError, match="can't be written") as caught:
        planned_files.apply(planned)
    assert str(tmp_path) in caught.value.hint
    tmp_path.chmod(0o755)


def test_steps_stop_where_a_command_fails(tmp_path: Path) -> None:
    def run(command: tuple[str, ...]) -> None:
        if command == ("false",):
            raise CommandFailedError("false failed")

    plan = LoginItemPlan(
        first=(("true",),),
        files=(planned_files.plan(tmp_path / "a", b""),),
        then=(("false",), ("true",)),
        run=run,
    )
    done = plan.apply()
    assert [next(done), next(done)] == ["  run       true", f"  created   {tmp_path / 'a'}"]
    with pytest.raises(CommandFailedError):
        next(done)


def test_runner_tells_how_a_command_ended(tmp_path: Path) -> None:
    run = SystemRunner({"PATH": "/usr/bin:/bin", "MINE": "yes"})
    assert run(("sh", "-c", "echo $MINE; echo no >&2; exit 3")).code == 3
    assert run(("sh", "-c", "echo $MINE $LC_ALL")).out == "yes C\n"
    assert run((str(tmp_path / "missing"),)).code == NOT_FOUND
    assert run(("sleep", "30"), timeout_s=0.05).code == TIMED_OUT
    with pytest.raises(
        CommandFailedError, match=r"`sh -c 'echo why >&2; exit 4'` failed \(4\): why"
    ):
        must(run, ("sh", "-c", "echo why >&2; exit 4"))
