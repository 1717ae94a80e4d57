"""Cases of the process itself: how it starts, what it does when idle, what it holds afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from case import Case, Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxies import Proxy
    from upstream import Upstream

_MIB = 1024 * 1024
_SETTLED_S = 0.5
_RUN_SHARE = 0.25


class Idle(Case):
    """Nothing to do, after there was something."""

    name = "idle"
    rounds = quick_rounds = 1
    is_together = True
    figures = (Figure(key="cpu", label="idle for 10 s", unit="ms CPU", most=10.0),)

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """CPU over ten seconds, after a second to settle; a shorter share is scaled to ten."""
        del upstream
        await asyncio.sleep(1)
        before_s = proxy.cpu_s()
        await asyncio.sleep(10 * share)
        return {"cpu": (proxy.cpu_s() - before_s) / share * 1e3}


class Fresh(Case):
    """A process that was just started."""

    name = "fresh"
    is_fresh_each_round = True
    figures = (
        Figure(key="ready", label="fresh process", unit="s until it serves", most=0.6, decimals=3),
        Figure(key="rss", label="", unit="MB RSS", most=40),
    )

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """How long the start took, and the memory half a second later."""
        del upstream, share
        await asyncio.sleep(_SETTLED_S)
        return {"ready": proxy.ready_s, "rss": proxy.rss_bytes() / _MIB}


class WholeRun(Case):
    """One process that has served some of all the traffic."""

    name = "memory"
    rounds = quick_rounds = 1
    is_fresh_each_round = True

    def __init__(self, parts: Sequence[Case]) -> None:
        """`parts` are the cases whose traffic it serves."""
        super().__init__()
        self._parts = parts
        self.figures = (Figure(key="rss", label="after the whole run", unit="MB RSS", most=60),)

    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """The memory half a second after the last of it; a short share serves less."""
        for part in self._parts:
            await part.measure(proxy, upstream, _RUN_SHARE * share)
            self.remarks += part.remarks
            part.remarks.clear()
        await asyncio.sleep(_SETTLED_S)
        return {"rss": proxy.rss_bytes() / _MIB}

    async def prove(self, proxy: Proxy, upstream: Upstream) -> None:
        """Every part in turn."""
        for part in self._parts:
            await part.prove(proxy, upstream)
            for name, sizes in part.body_sizes.items():
                self.body_sizes.setdefault(name, set()).update(sizes)

    def fault_of(self, record: dict[str, object]) -> str:
        """Nothing, if a record fits one of the parts."""
        faults = [part.fault_of(record) for part in self._parts]
        return min(faults, key=len)
