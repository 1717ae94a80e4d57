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

import gauges
import report
from cases import all_cases
from contest import Contest
from proxies import BareProxy, Daemon, Nginx, Proxy

_PROFILE_LINES = 40
_PROXIES: dict[str, type[Proxy]] = {"daemon": Daemon, "bare": BareProxy, "nginx": Nginx}


def main() -> int:
    """Measure what the options ask for; 1 when a proxy could not be measured."""
    options = _options()
    if options.install_nginx:
        _install_nginx()
    gauges.raise_file_limit()
    if options.profile is not None:
        return _profile(options.profile)
    known = {case.name: case for case in all_cases()}
    cases = [known[name] for name in options.only or known]
    taking_part = [_PROXIES[name] for name in options.proxy or _PROXIES]
    if Nginx in taking_part and Nginx.executable() is None:
        taking_part.remove(Nginx)
    contest = Contest(taking_part, is_quick=options.quick)
    if Nginx.executable() is None:
        contest.notes.append("nginx is left out: not installed (as root: --install-nginx)")
    started_at_s = time.monotonic()
    lines = asyncio.run(contest.run(cases))
    print(f"\n{report.table(lines)}\n")
    for note in contest.notes:
        print(f"Note: {note}")
    print(f"{_machine()}; {time.monotonic() - started_at_s:.0f} s")
    if options.json is not None:
        figures = [line.as_json() for line in lines]
        result = {"machine": _machine(), "notes": contest.notes, "figures": figures}
        options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return int(contest.has_failed)


def _profile(name: str) -> int:
    """Run one case against the daemon under cProfile and show where its time goes."""
    with tempfile.TemporaryDirectory(prefix="offramp-bench-") as folder:
        Daemon.profile_file = Path(folder) / "profile"
        contest = Contest([Daemon], is_quick=True)
        asyncio.run(contest.run([case for case in all_cases() if case.name == name]))
        if contest.has_failed:
            print("\n".join(contest.notes), file=sys.stderr)
            return 1
        for order in ("tottime", "cumulative"):
            pstats.Stats(str(Daemon.profile_file)).sort_stats(order).print_stats(_PROFILE_LINES)
    return 0


def _options() -> argparse.Namespace:
    names = [case.name for case in all_cases()]
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Cases: {', '.join(names)}.")
    parser.add_argument("--only", nargs="+", choices=names, metavar="CASE", help="just these cases")
    parser.add_argument(
        "--proxy", action="append", choices=list(_PROXIES), help="just this one (repeatable)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: 90 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--profile", choices=names, metavar="CASE", help="one case, the daemon under cProfile"
    )
    parser.add_argument(
        "--install-nginx", action="store_true", help="install nginx with apt-get first (as root)"
    )
    return parser.parse_args()


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
