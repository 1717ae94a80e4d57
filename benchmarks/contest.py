"""Runs the cases over the proxies in turns, and sees to it that each one does its job meanwhile."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import gauges
import report
from case import JobNotDoneError
from load import BadAnswerError
from proxies import Proxy, ProxyFailedError
from upstream import Upstream

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from tls import Certificates, make_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from case import Case

_WARM_UP_SHARE = 0.1
_QUICK_SHARE = 0.25
_CASE_TIMEOUT_S = 600.0
_RECORDS_POLL_S = 0.1
_RECORDS_TRIES = 20
_KEY_OF_LOST = "lost"
_CERTIFIED = "IP:127.0.0.1, DNS:localhost"
_SHOWN_REASONS = 3
_FAILURES = (ProxyFailedError, JobNotDoneError, BadAnswerError, OSError, TimeoutError)


class Contest:
    """One run: the upstream, the proxies that take part, and the notes taken on the way."""

    def __init__(self, proxies: Sequence[type[Proxy]], *, is_quick: bool) -> None:
        """Measure `proxies`; quickly means less of everything."""
        self.notes: list[str] = []
        """What the reader of the table must know."""
        self.has_failed = False
        """A case could not be measured; a note says why."""
        self._proxies = proxies
        self._is_quick = is_quick
        self._share = _QUICK_SHARE if is_quick else 1.0
        self._certificates: Certificates | None = None
        self._upstream = Upstream()
        self._served: dict[str, int] = {}
        self._not_counted: set[str] = set()
        """Names of the proxies whose figures of the case that runs are worth nothing."""
        self._cores = gauges.pin_to_one_core_each()
        if self._cores is None:
            self._note("nothing is pinned to a core here: the figures vary more")

    async def run(self, cases: Sequence[Case]) -> list[report.Line]:
        """Every case in turn; prints each one's lines to standard error as they are known."""
        with tempfile.TemporaryDirectory(prefix="offramp-bench-") as folder:
            if any(case.is_over_tls for case in cases):
                self._certificates = make_certificates(Path(folder), _CERTIFIED)
                self._upstream = Upstream(self._certificates.server_context())
            await self._upstream.start()
            try:
                return await self._lines_of(cases)
            finally:
                self._upstream.stop()

    async def _lines_of(self, cases: Sequence[Case]) -> list[report.Line]:
        lines: list[report.Line] = []
        for case in cases:
            started_at_s = time.monotonic()
            of_case: list[report.Line] = []
            try:
                async with asyncio.timeout(_CASE_TIMEOUT_S):
                    of_case = report.lines_of(case, await self._rounds_of(case))
            except* _FAILURES as failed:
                self.has_failed = True
                self._note(f"{case.name} FAILED: {_reasons(failed)}")
            took_s = time.monotonic() - started_at_s
            print(f"\n{case.name} ({took_s:.0f} s)\n{report.table(of_case, {})}", file=sys.stderr)
            lines += of_case
        return lines

    def _proxies_of(self, case: Case) -> list[Proxy]:
        port, authority = self._upstream.port, None
        if case.is_over_tls and self._certificates is not None:
            port, authority = self._upstream.tls_port, self._certificates.authority
        return [make(port, self._cores, authority) for make in self._proxies]

    async def _rounds_of(self, case: Case) -> report.Rounds:
        proxies = self._proxies_of(case)
        rounds: report.Rounds = {proxy.name: [] for proxy in proxies}
        self._not_counted.clear()
        try:
            for proxy in proxies:
                await self._begin(case, proxy)
                if not (case.is_together or case.is_fresh_each_round):
                    await self._measure(case, proxy, _WARM_UP_SHARE)
            if case.is_together:
                await self._measure_together(case, proxies, rounds)
            else:
                await self._measure_in_turns(case, proxies, rounds)
            for proxy in proxies:
                await self._end(case, proxy)
        finally:
            for proxy in proxies:
                proxy.stop()
        return {name: self._counted(name, of_proxy) for name, of_proxy in rounds.items()}

    def _counted(self, name: str, rounds: list[dict[str, float]]) -> list[dict[str, float]]:
        """The rounds of a proxy; of one that did not do its job only how many streams it lost."""
        if name not in self._not_counted:
            return rounds
        return [{key: one[key] for key in one if key == _KEY_OF_LOST} for one in rounds]

    async def _measure_in_turns(
        self, case: Case, proxies: Sequence[Proxy], rounds: report.Rounds
    ) -> None:
        for number in range(case.quick_rounds if self._is_quick else case.rounds):
            # Whoever comes first profits or suffers from what went before.
            for proxy in proxies if number % 2 == 0 else reversed(proxies):
                if case.is_fresh_each_round:
                    await self._end(case, proxy)
                    await self._begin(case, proxy)
                rounds[proxy.name].append(await self._measure(case, proxy, self._share))

    async def _measure_together(
        self, case: Case, proxies: Sequence[Proxy], rounds: report.Rounds
    ) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = {
                proxy.name: group.create_task(case.measure(proxy, self._upstream, self._share))
                for proxy in proxies
            }
        for name, task in tasks.items():
            rounds[name].append(task.result())

    async def _begin(self, case: Case, proxy: Proxy) -> None:
        """Start the proxy and let it show that it does the job."""
        await proxy.start()
        before = self._upstream.seen.requests
        with _named(proxy):
            try:
                await case.prove(proxy, self._upstream)
            except JobNotDoneError as error:
                self._discount(case, proxy, str(error))
        self._served[proxy.name] = self._upstream.seen.requests - before

    async def _measure(self, case: Case, proxy: Proxy, share: float) -> dict[str, float]:
        before = self._upstream.seen.requests
        self._upstream.seen.body_sizes.clear()
        with _named(proxy):
            figures = await case.measure(proxy, self._upstream, share)
        self._served[proxy.name] += self._upstream.seen.requests - before
        while case.remarks:
            self._note(case.remarks.pop(0))
        if figures.get(_KEY_OF_LOST):
            self._discount(case, proxy, "it lost streams")
        if not case.is_together:
            odd = self._upstream.seen.body_sizes - case.body_sizes.get(proxy.name, set())
            if odd:
                self._discount(case, proxy, f"the upstream got bodies of {sorted(odd)} bytes")
        return figures

    async def _end(self, case: Case, proxy: Proxy) -> None:
        """Stop the proxy, once it has put on record what it served, if it is one that does."""
        served = self._served[proxy.name]
        tries = _RECORDS_TRIES
        while (records := proxy.records()) is not None and len(records) != served and tries > 0:
            tries -= 1
            await asyncio.sleep(_RECORDS_POLL_S)
        proxy.stop()
        if records is None:
            return
        if len(records) != served:
            self._discount(case, proxy, f"{served} requests, but {len(records)} records")
        if faults := Counter(filter(None, map(case.fault_of, records))):
            fault, count = faults.most_common(1)[0]
            self._discount(case, proxy, f"{count} records are wrong: {fault}")

    def _discount(self, case: Case, proxy: Proxy, reason: str) -> None:
        """Leave the proxy's figures of this case out, and say why."""
        self.has_failed = True
        self._not_counted.add(proxy.name)
        self._note(f"{proxy.name}, {case.name} DOES NOT COUNT: {reason}")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


@contextmanager
def _named(proxy: Proxy) -> Iterator[None]:
    """Say of a failure in here which proxy it was, and whether that still runs."""
    try:
        yield
    except* _FAILURES as failed:
        ended = proxy.end_report()
        raise ProxyFailedError(f"{ended or proxy.name}: {_reasons(failed)}") from failed


def _reasons(failed: BaseExceptionGroup[BaseException]) -> str:
    """What went wrong, each kind once, out of however many groups."""
    texts = sorted({str(error) or type(error).__name__ for error in _leaves(failed)})
    return "; ".join(texts[:_SHOWN_REASONS])


def _leaves(failed: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in failed.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
