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
from case import Case, JobNotDoneError
from cases import all_cases
from load import BadAnswerError
from proxies import BareProxy, Daemon, Nginx, Proxy, ProxyFailedError
from upstream import Upstream

_WARM_UP_SHARE = 0.2
_QUICK_SHARE = 0.4
_CASE_TIMEOUT_S = 180.0
_PROFILE_LINES = 40
_RECORDS_POLL_S = 0.1
_RECORDS_TRIES = 20
_PROXIES: dict[str, type[Proxy]] = {"daemon": Daemon, "bare": BareProxy, "nginx": Nginx}


class Bench:
    """One run: the upstream, the proxies that take part, and the notes taken on the way."""

    def __init__(self, proxies: list[type[Proxy]], *, is_quick: bool) -> None:
        """Measure `proxies`; quickly means less of everything."""
        self.notes: list[str] = []
        self._proxies = proxies
        self._is_quick = is_quick
        self._share = _QUICK_SHARE if is_quick else 1.0
        self._upstream = Upstream()
        self._served: dict[str, int] = {}
        self._cores = gauges.pin_to_one_core_each()
        if self._cores is None:
            self.notes.append("Nothing is pinned to a core here: the figures vary more.")

    async def run(self, cases: list[Case]) -> list[report.Line]:
        """Every case in turn; prints each one's lines as they are known."""
        await self._upstream.start()
        lines: list[report.Line] = []
        for case in cases:
            started_at_s = time.monotonic()
            async with asyncio.timeout(_CASE_TIMEOUT_S):
                of_case = report.lines_of(case, await self._rounds_of(case))
            took_s = time.monotonic() - started_at_s
            print(f"\n{case.name} ({took_s:.0f} s)\n{report.table(of_case)}", file=sys.stderr)
            lines += of_case
        self._upstream.stop()
        return lines

    async def _rounds_of(self, case: Case) -> report.Rounds:
        proxies = [make(self._upstream.port, self._cores) for make in self._proxies]
        rounds: report.Rounds = {proxy.name: [] for proxy in proxies}
        count = case.quick_rounds if self._is_quick else case.rounds
        try:
            for proxy in proxies:
                await self._begin(case, proxy)
                await self._measure(case, proxy, _WARM_UP_SHARE)
            if case.is_together:
                await self._measure_together(case, proxies, rounds)
                return rounds
            for number in range(count):
                # Whoever comes first profits or suffers from what went before.
                for proxy in proxies if number % 2 == 0 else reversed(proxies):
                    if case.is_fresh_each_round:
                        await self._end(case, proxy)
                        await self._begin(case, proxy)
                    figures = await self._measure(case, proxy, self._share)
                    rounds[proxy.name].append(figures)
            for proxy in proxies:
                await self._end(case, proxy)
        finally:
            for proxy in proxies:
                proxy.stop()
        return rounds

    async def _begin(self, case: Case, proxy: Proxy) -> None:
        """Start the proxy and let it show that it does the job."""
        await proxy.start()
        before = self._upstream.seen.requests
        try:
            await case.prove(proxy, self._upstream)
        except JobNotDoneError as error:
            self._note(f"{proxy.name}, {case.name}: JOB NOT DONE: {error}")
        self._served[proxy.name] = self._upstream.seen.requests - before

    async def _measure(self, case: Case, proxy: Proxy, share: float) -> dict[str, float]:
        before = self._upstream.seen.requests
        figures = await case.measure(proxy, self._upstream, share)
        self._served[proxy.name] += self._upstream.seen.requests - before
        return figures

    async def _end(self, case: Case, proxy: Proxy) -> None:
        """Stop the proxy, once it has put on record what it served, if it is one that does."""
        served = self._served[proxy.name]
        tries = _RECORDS_TRIES
        while (records := proxy.records()) not in (None, served) and tries > 0:
            tries -= 1
            await asyncio.sleep(_RECORDS_POLL_S)
        if records not in (None, served):
            self._note(f"{proxy.name}, {case.name}: {served} requests, but {records} records")
        proxy.stop()

    async def _measure_together(
        self, case: Case, proxies: list[Proxy], rounds: report.Rounds
    ) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = {
                proxy.name: group.create_task(case.measure(proxy, self._upstream, self._share))
                for proxy in proxies
            }
        for name, task in tasks.items():
            rounds[name].append(task.result())

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


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
    bench = Bench(taking_part, is_quick=options.quick)
    if Nginx not in taking_part:
        bench.notes.append(
            "nginx is left out: not installed (as root: --install-nginx), or unasked."
        )
    started_at_s = time.monotonic()
    lines = _run(bench, cases)
    if lines is None:
        return 1
    print(f"\n{report.table(lines)}\n")
    for note in bench.notes:
        print(f"Note: {note}")
    print(f"{_machine()}; {time.monotonic() - started_at_s:.0f} s")
    if options.json is not None:
        figures = [line.as_json() for line in lines]
        result = {"machine": _machine(), "notes": bench.notes, "figures": figures}
        options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return 0


def _run(bench: Bench, cases: list[Case]) -> list[report.Line] | None:
    """The run's lines, or None after saying what failed."""
    try:
        return asyncio.run(bench.run(cases))
    except* (ProxyFailedError, JobNotDoneError, BadAnswerError, OSError) as failed:
        for error in failed.exceptions:
            print(f"Failed: {type(error).__name__}: {error}", file=sys.stderr)
    return None


def _profile(name: str) -> int:
    """Run one case against the daemon under cProfile and show where its time goes."""
    with tempfile.TemporaryDirectory(prefix="offramp-bench-") as folder:
        Daemon.profile_file = Path(folder) / "profile"
        bench = Bench([Daemon], is_quick=True)
        case = next(case for case in all_cases() if case.name == name)
        if _run(bench, [case]) is None:
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
    return (
        f"Python {platform.python_version()}, aiohttp {importlib.metadata.version('aiohttp')}, "
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    )


if __name__ == "__main__":
    sys.exit(main())
