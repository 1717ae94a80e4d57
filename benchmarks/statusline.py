"""Measures the installed `offramp statusline` beside `python -c pass` of the same Python.

    python benchmarks/statusline.py

Whole processes in turn, start-up included, as Claude Code runs them: with its JSON on standard
input, without a terminal. Once without a daemon, and once with the demo's, whose week is as long as
the demo makes it. The medians and their ratio come from this one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from offramp_core import control_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GOAL = 3.0
_SAID = json.dumps(
    {
        "session_id": "7d2f3c1e-0000-4000-8000-000000000001",
        "transcript_path": "/home/somebody/.claude/projects/x/7d2f3c1e.jsonl",
        "cwd": "/home/somebody/x",
        "model": {"id": "claude-sonnet-5-5", "display_name": "Sonnet 5.5"},
        "workspace": {"current_dir": "/home/somebody/x", "project_dir": "/home/somebody/x"},
        "cost": {"total_cost_usd": 0.5, "total_api_duration_ms": 12000},
    }
).encode()
_PATIENCE_S = 30.0


def took_s(command: Sequence[str], environ: Mapping[str, str]) -> float:
    """Seconds from the start of `command` to its end."""
    began = time.perf_counter()
    ended = subprocess.run(command, input=_SAID, env=environ, capture_output=True, check=True)
    seconds = time.perf_counter() - began
    if command[-1] != "pass" and not ended.stdout.strip():
        raise SystemExit(f"{command[0]} printed nothing")
    return seconds


def compare(program: Sequence[str], environ: Mapping[str, str], rounds: int) -> tuple[float, float]:
    """Median seconds of a bare Python and of `program`, measured in turn."""
    bare = (sys.executable, "-c", "pass")
    for command in (bare, program):
        took_s(command, environ)
    pairs = [(took_s(bare, environ), took_s(program, environ)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(
        pair[1] for pair in pairs
    )


@contextmanager
def demo_daemon(offramp: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Have the demo's daemon run, on a port that is not the usual one."""
    process = subprocess.Popen(
        (offramp, "demo", "--port", "39177", "--no-traffic"),
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    path = Path(control_place.control_socket(environ, is_demo=True))
    try:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not path.exists():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise SystemExit("The demo's daemon did not start.")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measure, print, and end with 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    offramp = Path(sys.executable).with_name("offramp")
    with tempfile.TemporaryDirectory(prefix="offramp-bench-") as home:
        environ = {"PATH": os.environ.get("PATH", ""), "OFFRAMP_HOME": home, "COLUMNS": "100"}
        found = {"no daemon": compare((str(offramp), "statusline"), environ, rounds)}
        with demo_daemon(offramp, environ):
            command = (str(offramp), "statusline", "--demo")
            found["daemon"] = compare(command, environ, rounds)
    for name, (bare_s, own_s) in found.items():
        print(
            f"{name:<10} python -c pass {bare_s * 1000:5.1f} ms   offramp statusline "
            f"{own_s * 1000:5.1f} ms   {own_s / bare_s:.2f} x (goal: {GOAL:.0f} x)"
        )
    sys.exit(max(own / bare for bare, own in found.values()) > GOAL)


if __name__ == "__main__":
    main()
