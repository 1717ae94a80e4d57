"""Keeps connections for the next request to the same service on the same way.

A kept connection may have died unseen: one that idled for too long is not used, and none is once
the machine has slept or lost an address, which whoever has the pool says by `distrust`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from offramp_daemon.upstream.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

IDLE_LIMIT_S = 30.0


class Pool:
    """All connections out, in use or idle."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        """Have none; ages are counted by `clock_s`."""
        self._clock_s = clock_s
        self._idle: dict[Hashable, list[tuple[Connection, float]]] = {}
        self._keys: dict[Connection, Hashable] = {}
        self._trusted: set[Connection] = set()
        """Those that may serve another request once theirs has ended."""
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._keys)

    @property
    def idle_count(self) -> int:
        """How many of them wait for a request."""
        return sum(len(idle) for idle in self._idle.values())

    def new(self, key: Hashable) -> Connection:
        """A connection to be opened, that is kept under `key` after each answer."""
        connection = Connection(on_idle=self._keep, on_closed=self._forget)
        self._keys[connection] = key
        self._trusted.add(connection)
        return connection

    def take(self, key: Hashable) -> Connection | None:
        """The idle connection of that `key` that was used last; None if there is none."""
        idle = self._idle.get(key)
        while idle:
            connection, since_s = idle.pop()
            if self._clock_s() - since_s < IDLE_LIMIT_S and connection.is_quiet():
                return connection
            connection.close()
        return None

    def distrust(self) -> None:
        """Use none of the connections that there are for another request."""
        idle, self._idle = self._idle, {}
        self._trusted.clear()
        for connections in idle.values():
            for connection, _ in connections:
                connection.close()

    def drop(self, connection: Connection) -> None:
        """Close a connection, also one that was never opened."""
        connection.close()
        self._forget(connection)

    def close(self) -> None:
        """Close all connections, whatever is under way on them."""
        if self._sweep is not None:
            self._sweep.cancel()
        self._idle.clear()
        for connection in tuple(self._keys):
            self.drop(connection)

    def _keep(self, connection: Connection) -> None:
        if connection not in self._trusted:
            connection.close()
            return
        key = self._keys[connection]
        self._idle.setdefault(key, []).append((connection, self._clock_s()))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_LIMIT_S, self._close_old)

    def _forget(self, connection: Connection) -> None:
        key = self._keys.pop(connection, None)
        self._trusted.discard(connection)
        idle = self._idle.get(key)
        if idle:
            self._idle[key] = [each for each in idle if each[0] is not connection]

    def _close_old(self) -> None:
        """Close what has idled for too long, and look again later while anything is left."""
        self._sweep, now_s = None, self._clock_s()
        for key, idle in tuple(self._idle.items()):
            self._idle[key] = [each for each in idle if now_s - each[1] < IDLE_LIMIT_S]
            for connection, since_s in idle:
                if now_s - since_s >= IDLE_LIMIT_S:
                    connection.close()
            if not self._idle[key]:
                del self._idle[key]
        if self._idle:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_LIMIT_S, self._close_old)
