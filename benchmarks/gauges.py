"""What a process and its children use, read from the system; and who runs on which core.

Linux gives a process's CPU time in nanoseconds (the clock of its thread group) and its memory in
/proc; elsewhere `ps` gives both, the time in hundredths of a second, so that figures per unit are
coarse there.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

IS_LINUX = sys.platform == "linux"

_PROC = Path("/proc")
_WANTED_FILES = 16_384
_CPU_CLOCK_OF_PROCESS = 2


def family(pid: int) -> tuple[int, ...]:
    """`pid` and all processes below it, as they are now."""
    parents = _parents()
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return tuple(found)


def cpu_s(pid: int) -> float:
    """CPU seconds that `pid` and its living descendants have used, in user and kernel."""
    return sum(_cpu_s_of_one(one) for one in family(pid))


def own_cpu_s(pid: int) -> float:
    """The same for `pid` without its descendants, which takes next to no time to find out."""
    return _cpu_s_of_one(pid)


def rss_bytes(pid: int) -> int:
    """Resident memory of `pid` and its descendants; pages they share count for each."""
    return sum(_rss_bytes_of_one(one) for one in family(pid))


def pin_to_one_core_each() -> tuple[frozenset[int], frozenset[int]] | None:
    """The core for the proxy and those for everything else; this process moves to the latter.

    None where the system pins nothing or has one core only.
    """
    if sys.platform != "linux":
        return None
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        return None
    proxy, others = frozenset(cores[:1]), frozenset(cores[1:])
    os.sched_setaffinity(0, others)
    return proxy, others


@contextmanager
def on_the_proxys_core(cores: tuple[frozenset[int], frozenset[int]] | None) -> Iterator[None]:
    """Spawn in here: what starts inherits the proxy's core."""
    if sys.platform == "linux" and cores is not None:
        os.sched_setaffinity(0, cores[0])
    try:
        yield
    finally:
        if sys.platform == "linux" and cores is not None:
            os.sched_setaffinity(0, cores[1])


def with_usual_file_limit(command: list[str]) -> list[str]:
    """`command` as a usual shell would start it, with 1,024 open files allowed at first."""
    return ["/bin/sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh", *command]


def raise_file_limit() -> None:
    """Let this process hold both ends of a thousand streams."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _parents() -> dict[int, int]:
    if not IS_LINUX:
        lines = _ps("-A", "-o", "pid=,ppid=")
        return {int(pid): int(parent) for pid, parent in (line.split() for line in lines)}
    parents = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it ended while we looked
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
    return parents


def _cpu_s_of_one(pid: int) -> float:
    if IS_LINUX:
        with suppress(OSError):
            return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_PROCESS)
        return 0.0
    total_s = 0.0
    for line in _ps("-o", "time=", "-p", str(pid)):
        for part in line.strip().replace("-", ":").split(":"):
            total_s = total_s * 60 + float(part)
    return total_s


def _rss_bytes_of_one(pid: int) -> int:
    if not IS_LINUX:
        return sum(int(line) * 1024 for line in _ps("-o", "rss=", "-p", str(pid)))
    with suppress(OSError):
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return 0


def _ps(*options: str) -> list[str]:
    run = subprocess.run(["ps", *options], capture_output=True, text=True, check=False)
    return [line for line in run.stdout.splitlines() if line.strip()]
