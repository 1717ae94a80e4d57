"""Measures `offramp stats` over a million records beside a plain `json.loads` loop over them.

    python benchmarks/stats.py

Whole processes, start-up included, in turn; the medians and their ratio come from this one run.
The records (a year up to now, always the same but for the date) are made in a temporary folder.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from offramp_core.paths import Paths
from offramp_core.usage import records
from offramp_core.usage.log_reader import LogReader

TARGET = 0.15
_SEED = 20260207
_YEAR = timedelta(days=365)
_RUNNING = 3
"""Sessions at a time."""
_SESSION_LENGTH = 100
"""Requests of a session, on average."""
_ROUTES = (
    ("claude-sonnet-4-5-20250929", "zai", "glm-4.7", "route sonnet"),
    ("claude-haiku-4-5-20251001", "zai", "glm-4.5-air", "route haiku"),
    ("claude-opus-4-6", "anthropic", "claude-opus-4-6", "default"),
)
JSON_LOOP = """
import json, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).glob("requests*.jsonl")):
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
"""
_OFFRAMP = "from offramp_cli import main; main()"


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took."""

    wall_s: float
    peak_mib: float


def write_log(folder: Path, count: int, end: datetime, length: timedelta = _YEAR) -> int:
    """Write `count` records over the year (or `length`) before `end`; returns their bytes.

    A file a month, as the daemon writes them.

    One record at a time: a process's peak memory, as the system tells it, is at least what its
    parent held when it was started, so this one has to stay small.
    """
    rng = random.Random(_SEED)
    running = [_session(rng) for _ in range(_RUNNING)]
    folder.mkdir(parents=True)
    moments = (end - length * (1 - (index + rng.random()) / count) for index in range(count))
    for name, month in itertools.groupby(map(records.format_timestamp, moments), records.file_name):
        with (folder / name).open("wb") as file:
            file.writelines(records.encode(_record(rng, running, ts)) for ts in month)
    return sum(path.stat().st_size for path in folder.iterdir())


def _session(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _record(rng: random.Random, running: list[str], ts: str) -> records.RequestRecord:
    """One of the `running` sessions sends it, and now and then another takes a session's place."""
    place = rng.randrange(len(running))
    if not rng.randrange(_SESSION_LENGTH):
        running[place] = _session(rng)
    model, backend, served, reason = rng.choices(_ROUTES, (6, 3, 1))[0]
    written = rng.randrange(9_000)
    return records.RequestRecord(
        ts=ts,
        model=model,
        backend=backend,
        input_tokens=rng.randrange(9_000),
        output_tokens=rng.randrange(4_000),
        cache_creation_input_tokens=written,
        cache_read_input_tokens=rng.randrange(150_000),
        status=rng.choices(("success", "error", "cancelled"), (94, 4, 2))[0],
        http_status=200,
        served_model=served,
        reason=reason,
        session_id=running[place],
        cache_creation_5m_input_tokens=written,
    )


def run(arguments: list[str], environ: dict[str, str]) -> Run:
    """Run a process to its end, with its output thrown away."""
    begin = time.perf_counter()
    process = subprocess.Popen(arguments, env=environ, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} failed: {process.returncode}")
    # ru_maxrss is bytes on macOS and KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(wall_s, usage.ru_maxrss * unit / 1024**2)


def measure(commands: dict[str, list[str]], environ: dict[str, str], rounds: int) -> dict[str, Run]:
    """Medians per command; the commands take turns, so that a busy moment hits them all."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, arguments in commands.items():
            runs[name].append(run(arguments, environ))
    return {
        name: Run(
            statistics.median(found.wall_s for found in results),
            max(found.peak_mib for found in results),
        )
        for name, results in runs.items()
    }


def follow_up_bytes(folder: Path, end: datetime) -> tuple[int, int]:
    """Bytes that the default view reads at first, and again after one more record."""
    reader = LogReader(folder, since=end - timedelta(weeks=8))
    for _ in reader.read_usage():
        pass
    first = reader.bytes_read
    ts = records.format_timestamp(end)
    with (folder / records.file_name(ts)).open("ab") as file:
        file.write(records.encode(_record(random.Random(_SEED), ["0" * 32], ts)))
    for _ in reader.read_usage():
        pass
    return first, reader.bytes_read - first


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure `offramp stats`.")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    end = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="offramp-bench-") as home:
        folder = Paths.under(Path(home)).log_dir
        size = write_log(folder, options.records, end)
        print(f"{options.records:,} records, {size / 1024**2:.0f} MiB, {options.rounds} rounds")
        environ = {
            "OFFRAMP_HOME": home,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TZ": "Europe/Berlin",
        }
        offramp = [sys.executable, "-c", _OFFRAMP, "stats"]
        commands = {
            "json.loads loop": [sys.executable, "-c", JSON_LOOP, str(folder)],
            "offramp --version": [*offramp[:-1], "--version"],
            "stats": offramp,
            "stats --json": [*offramp, "--json"],
            "stats --all": [*offramp, "--all"],
        }
        results = measure(commands, environ, options.rounds)
        first, again = follow_up_bytes(folder, end)
    loop = results["json.loads loop"]
    for name, result in results.items():
        ratio = result.wall_s / loop.wall_s
        print(f"{name:<18} {result.wall_s:7.3f} s  {ratio:6.3f} x  peak {result.peak_mib:5.0f} MiB")
    print(f"bytes read: {first:,} at first, {again:,} after one more record")
    ratio = results["stats"].wall_s / loop.wall_s
    print(f"stats / loop = {ratio:.3f}, at most {TARGET}: {'met' if ratio <= TARGET else 'MISSED'}")
    sys.exit(ratio > TARGET)


if __name__ == "__main__":
    main()
