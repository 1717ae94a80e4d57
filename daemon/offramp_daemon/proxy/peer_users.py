"""Keeps other users of this machine away: whoever reaches the port could spend the user's keys.

A connection's owner is looked up when it is opened, where the system answers at once, else with its
first request. Of other users' connections only so many stay open: each takes a descriptor, and when
there are none left, nobody else can connect. Root passes, who can read the keys
anyway; and so do the users of this user's own containers (/etc/subuid). Where no owner can be
found, an open connection is served: Claude Code must not stop because a system says too little, and
no other user can bring that about, since a socket of this machine is in the system's table.
docs/security.md says more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from offramp_daemon.server import tcp_owner
from offramp_daemon.server.tcp_owner import ROOT, NoOwner, System

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from offramp_core.settings import Settings
    from offramp_daemon.server.tcp_owner import Owner
    from offramp_daemon.server.tcp_socket import End

MOST_STRANGERS = 512
"""Connections of other users that stay open: enough for containers of the user's own."""

_SUBORDINATES = Path("/etc/subuid")
_LOG = logging.getLogger(__name__)


class PeerUsers:
    """Knows who is at the other end of each connection."""

    def __init__(
        self,
        system: System | None = None,
        *,
        own: int | None = None,
        subordinates: Path = _SUBORDINATES,
    ) -> None:
        """Ask `system`, else this one, for the user `own`, else this process's."""
        self._system = system or tcp_owner.of_platform()
        self._own = os.geteuid() if own is None else own
        self._subordinates = subordinates
        self._may_pass: WeakKeyDictionary[asyncio.BaseTransport, bool] = WeakKeyDictionary()
        self._strangers: set[asyncio.Transport] = set()

    def meet(self, transport: asyncio.Transport, settings: Settings) -> None:
        """Look at a connection that has been opened; one too many of other users is cut off."""
        if settings.client_token is not None or settings.other_users:
            return
        owner = self._owner_at_once(transport)
        if owner in {ROOT, self._own}:
            self._may_pass[transport] = True
        elif isinstance(owner, int):
            if len(self._strangers) >= MOST_STRANGERS:
                self._strangers = {each for each in self._strangers if not each.is_closing()}
            if len(self._strangers) >= MOST_STRANGERS:
                transport.abort()
            else:
                self._strangers.add(transport)

    def _owner_at_once(self, transport: asyncio.Transport) -> Owner | None:
        client, server = _ends(transport)
        if client is None or server is None:
            return None
        try:
            return self._system.at_once(client, server)
        except Exception:  # noqa: BLE001 - the first request asks once more, and says so
            return None

    def is_known(self, request: web.BaseRequest) -> bool:
        """Whether it was found out already that requests of this connection may be served."""
        return request.transport is not None and self._may_pass.get(request.transport, False)

    async def may_pass(self, request: web.BaseRequest, settings: Settings) -> bool:
        """Whether `request` may be served, as far as that depends on who sent it."""
        if settings.client_token is not None or settings.other_users:
            return True
        transport = request.transport
        if transport is None:
            return False  # the client has gone
        known = self._may_pass.get(transport)
        if known is None:
            known = self._may_pass[transport] = await self._is_own(transport)
        return known

    async def _is_own(self, transport: asyncio.BaseTransport) -> bool:
        client, server = _ends(transport)
        if client is None or server is None:
            return True  # no TCP: whoever opened such a socket has decided who may use it
        owner = await self._find(client, server)
        if owner is NoOwner.UNREADABLE:
            return _is_connected(transport)
        if isinstance(owner, NoOwner):
            return owner is NoOwner.ELSEWHERE
        if owner in {ROOT, self._own}:
            return True
        is_own = await asyncio.to_thread(self._is_subordinate, owner)
        if not is_own:
            _LOG.warning("Another user was refused", extra={"uid": owner})
        return is_own

    async def _find(self, client: End, server: End) -> Owner:
        try:
            owner = self._system.at_once(client, server)
            if owner is not None:
                return owner
            return await asyncio.to_thread(
                tcp_owner.find_in_table, client, server, self._system.table, own=self._own
            )
        except Exception:  # noqa: BLE001 - a system that nobody knew; its user is served
            _LOG.exception("A connection's owner could not be looked up")
            return NoOwner.UNREADABLE

    def _is_subordinate(self, uid: int) -> bool:
        """Whether `uid` is one of those that this user's containers run as. It blocks."""
        names = {str(self._own)}
        with contextlib.suppress(KeyError):
            names.add(pwd.getpwuid(self._own).pw_name)
        return any(start <= uid < start + count for start, count in self._ranges(names))

    def _ranges(self, names: set[str]) -> Iterator[tuple[int, int]]:
        try:
            lines = self._subordinates.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            name, _, numbers = line.strip().partition(":")
            start, _, count = numbers.partition(":")
            if name in names and start.isdecimal() and count.isdecimal():
                yield int(start), int(count)


def _ends(transport: asyncio.BaseTransport) -> tuple[End | None, End | None]:
    """The client's end and the own one; None for what is not TCP."""
    return (
        tcp_owner.end(transport.get_extra_info("peername") or ()),
        tcp_owner.end(transport.get_extra_info("sockname") or ()),
    )


def _is_connected(transport: asyncio.BaseTransport) -> bool:
    """Whether the client has not reset the connection, which takes it out of all tables."""
    try:
        transport.get_extra_info("socket").getpeername()
    except OSError:
        return False
    return True
