"""Measure the daemon beside a bare aiohttp proxy and nginx, in one run: `make bench`.

Bounded in count and time, on loopback only. See README.md here for what each figure means.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gauges
import last_figures
import report
from cases import all_cases, chosen
from contest import Contest
from proxies import BareProxy, Daemon, Nginx, Proxy

if TYPE_CHECKING:
    from case import Case

_PROFILE_LINES = 40
_PROXIES: dict[str, type[Proxy]] = {"daemon": Daemon, "bare": BareProxy, "nginx": Nginx}


def main() -> int:
    """Measure what the options ask for; 1 when a proxy could not be measured."""
    options = _options()
    if options.install_nginx:
        _install_nginx()
    gauges.raise_file_limit()
    if options.profile is not None:
        return _profile(options.cases[0])
    taking_part = [_PROXIES[name] for name in options.proxy or _PROXIES]
    if Nginx in taking_part and Nginx.executable() is None:
        taking_part.remove(Nginx)
    contest = Contest(taking_part, is_quick=options.quick)
    if Nginx.executable() is None:
        contest.notes.append("nginx is left out: not installed (as root: --install-nginx)")
    started_at_s = time.monotonic()
    kept = last_figures.read()
    lines = asyncio.run(contest.run(options.cases))
    print(f"\n{report.table(lines, kept)}\n")
    for note in (*contest.notes, *report.worse_cases(lines, kept)):
        print(f"Note: {note}")
    print(f"{_machine()}; {time.monotonic() - started_at_s:.0f} s")
    if options.json is not None:
        figures = [line.as_json() for line in lines]
        result = {"machine": _machine(), "notes": contest.notes, "figures": figures}
        options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    if options.keep:
        known = [line for line in lines if line.values["daemon"] is not None]
        last_figures.keep(known, _machine() + (", quick" if options.quick else ""))
    return int(contest.has_failed)


def _profile(case: Case) -> int:
    """Run one case against the daemon under cProfile and show where its time goes."""
    with tempfile.TemporaryDirectory(prefix="offramp-bench-") as folder:
        Daemon.profile_file = Path(folder) / "profile"
        contest = Contest([Daemon], is_quick=True)
        asyncio.run(contest.run([case]))
        if contest.has_failed:
            print("\n".join(contest.notes), file=sys.stderr)
            return 1
        for order in ("tottime", "cumulative"):
            pstats.Stats(str(Daemon.profile_file)).sort_stats(order).print_stats(_PROFILE_LINES)
    return 0


def _options() -> argparse.Namespace:
    cases = all_cases()
    names = ", ".join(case.name for case in cases)
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Cases: {names}.")
    parser.add_argument(
        "--only", nargs="+", metavar="CASE", help="just these, or all that begin with the word"
    )
    parser.add_argument(
        "--proxy", action="append", choices=list(_PROXIES), help="just this one (repeatable)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: 4 minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--keep", action="store_true", help="make these the last figures, for runs to come"
    )
    parser.add_argument("--profile", metavar="CASE", help="one case, the daemon under cProfile")
    parser.add_argument(
        "--install-nginx", action="store_true", help="install nginx with apt-get first (as root)"
    )
    options = parser.parse_args()
    words = [options.profile] if options.profile else options.only
    try:
        options.cases = cases if words is None else chosen(cases, words)
    except ValueError as error:
        parser.error(f"{error}; the cases are {names}")
    return options


def _install_nginx() -> None:
    """Debian's and Ubuntu's package; without root it stays out of the table."""
    if Nginx.executable() is not None or os.geteuid() != 0:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", "nginx-light"]
    # Runlevel 1 keeps the package from starting its service on port 80 (not under systemd).
    subprocess.run(command, env={**os.environ, "RUNLEVEL": "1"}, check=False)


def _machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"Python {platform.python_version()}, aiohttp {importlib.metadata.version('aiohttp')}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"load {load}"
    )


if __name__ == "__main__":
    sys.exit(main())
