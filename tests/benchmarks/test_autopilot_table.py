"""The table of the autopilot's figures, as its command prints and writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "autopilot.py"


def table(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), "--processes", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_any_weeks_are_judged_and_their_figures_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = ("--seed", "4000", "--weeks", "1", "--modes", "never,auto", "--json", str(file))
    ending = table(*arguments)
    assert ending.returncode == 0, ending.stderr
    figures = json.loads(file.read_text())
    assert {"old", "old with a plan", "new", "bands"} <= figures.keys()
    for family in ("old", "old with a plan", "new"):
        fits, too_much = figures[family], figures[f"{family}, too much for both plans"]
        assert [line["mode"] for line in fits] == ["never", "auto"]
        assert fits[1]["weeks"] + too_much[1]["weeks"] == 1
    assert "| Claude over |" in ending.stdout


def test_a_mode_that_is_none_is_refused() -> None:
    ending = table("--seed", "4000", "--weeks", "1", "--modes", "never,often")
    assert ending.returncode != 0
    assert "often is no mode" in ending.stderr
