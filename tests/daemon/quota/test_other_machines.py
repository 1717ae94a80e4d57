"""Two machines of one plan: the newest reading wins, whoever was told it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from privileges import open_to_others, without_root
from quota_desk import START, Desk, desk_at
from quota_headers_samples import plan_headers

from offramp_core.quota import windows
from offramp_core.quota.windows import QuotaPoint
from offramp_daemon.quota.other_machines import OtherMachines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
THURSDAY = datetime(2026, 11, 26, 22, tzinfo=UTC)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path) as desk:
        desk.tell(plan_headers(0.41, 0.63, SOON, THURSDAY))
        yield desk


def points(
    five_hour: float, week: float, *, minutes: float, resets: datetime = THURSDAY
) -> list[QuotaPoint]:
    moment = START + timedelta(minutes=minutes)
    return [
        QuotaPoint(
            ts=moment, backend="anthropic", account="theirs", window=name, used=used, resets=end
        )
        for name, used, end in (("5h", five_hour, SOON), ("7d", week, resets))
    ]


def write(folder: Path, name: str, told: list[QuotaPoint]) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / name).open("ab") as file:
        file.write(b"".join(map(windows.encode_point, told)))


def others(desk: Desk, folder: Path) -> OtherMachines:
    return OtherMachines(folder, "laptop", lambda: desk.now, desk.keeper.take_from_others)


def look(desk: Desk, watch: OtherMachines) -> None:
    desk.keeper.take_from_others(watch.look())


async def test_newer_reading_of_another_machine_is_taken_over(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    watch = others(desk, folder)
    look(desk, watch)
    assert desk.used() == {"5h": 0.41, "7d": 0.63}
    desk.now += timedelta(minutes=9)
    write(folder, "quota.desktop.jsonl", points(0.45, 0.64, minutes=4))
    look(desk, watch)
    assert desk.used() == {"5h": 0.45, "7d": 0.64}
    write(folder, "quota.desktop.jsonl", points(0.47, 0.66, minutes=8))
    look(desk, watch)
    assert desk.used() == {"5h": 0.47, "7d": 0.66}
    assert len(desk.keeper.plans()) == 1
    desk.tell(plan_headers(0.5, 0.7, SOON, THURSDAY))
    look(desk, watch)
    assert desk.used() == {"5h": 0.5, "7d": 0.7}


async def test_spent_week_that_another_machine_saw_is_spent_here(
    desk: Desk, tmp_path: Path
) -> None:
    desk.now += timedelta(minutes=9)
    write(tmp_path / "shared", "quota.desktop.jsonl", points(0.45, 1.0, minutes=4))
    look(desk, others(desk, tmp_path / "shared"))
    assert [each.used for each in desk.plan().windows] == [0.45, 1.0]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("quota.desktop.jsonl", points(0.4, 0.62, minutes=-9)),
        (
            "quota.desktop.jsonl",
            points(0.45, 0.64, minutes=4, resets=THURSDAY + timedelta(hours=3)),
        ),
        ("quota.desktop.jsonl", points(0.45, 0.64, minutes=600)),
        ("quota.laptop.jsonl", points(0.45, 0.64, minutes=4)),
        ("quota.jsonl", points(0.45, 0.64, minutes=4)),
    ],
    ids=["older", "another plan", "clock ahead", "own file", "before it had a name"],
)
async def test_what_is_no_newer_reading_of_this_plan_changes_nothing(
    desk: Desk, tmp_path: Path, name: str, told: list[QuotaPoint]
) -> None:
    desk.now += timedelta(minutes=9)
    write(tmp_path / "shared", name, told)
    look(desk, others(desk, tmp_path / "shared"))
    assert desk.used() == {"5h": 0.41, "7d": 0.63}


async def test_plan_of_which_nothing_is_known_here_stays_unknown(tmp_path: Path) -> None:
    async with desk_at(tmp_path) as desk:
        desk.now += timedelta(minutes=9)
        write(tmp_path / "shared", "quota.desktop.jsonl", points(0.45, 0.64, minutes=4))
        look(desk, others(desk, tmp_path / "shared"))
        assert desk.keeper.plans() == ()


async def test_reading_dated_ahead_hides_none_that_is_not(desk: Desk, tmp_path: Path) -> None:
    desk.now += timedelta(minutes=9)
    told = [*points(0.99, 0.99, minutes=600), *points(0.45, 0.64, minutes=4)]
    write(tmp_path / "shared", "quota.desktop.jsonl", told)
    look(desk, others(desk, tmp_path / "shared"))
    assert desk.used() == {"5h": 0.45, "7d": 0.64}


async def test_unreadable_file_hides_no_other_and_is_tried_again(
    desk: Desk, tmp_path: Path
) -> None:
    desk.now += timedelta(minutes=9)
    folder = tmp_path / "shared"
    write(folder, "quota.attic.jsonl", points(0.47, 0.66, minutes=8))
    write(folder, "quota.desktop.jsonl", points(0.45, 0.64, minutes=4))
    (folder / "quota.attic.jsonl").chmod(0)
    open_to_others(tmp_path)
    watch = others(desk, folder)
    with without_root():
        look(desk, watch)
    assert desk.used() == {"5h": 0.45, "7d": 0.64}
    (folder / "quota.attic.jsonl").chmod(0o600)
    look(desk, watch)
    assert desk.used() == {"5h": 0.47, "7d": 0.66}


async def test_unreadable_folder_costs_only_what_is_in_it(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert others(desk, tmp_path / "file").look() == {}
    assert others(desk, tmp_path / "none").look() == {}
