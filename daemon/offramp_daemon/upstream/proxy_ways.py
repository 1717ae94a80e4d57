"""Knows which proxy stands on the way to each service, and whether ALL_PROXY can be reached."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from offramp_core import no_proxy, outbound_proxy
from offramp_core.addresses import is_loopback
from offramp_core.outbound_proxy import DIRECT, BadProxyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from offramp_core.outbound_proxy import OutboundProxy, WayOut

_SKIP_S = 60.0
"""How long a proxy of ALL_PROXY that gave no connection is not tried again."""
_LOOK_S = 0.5
"""How long the daemon's start may wait for a proxy of ALL_PROXY to take a connection."""
_ANY_URL = "https://service.invalid"
"""Which only a NO_PROXY that spares everything spares."""
_LOG = logging.getLogger(__name__)


class ProxyWays:
    """The ways to all services, by the proxies that the system sets."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        """Know of no proxy yet."""
        self._clock_s = clock_s
        self._settings: dict[str, str] = {}
        self._ways: dict[str, WayOut] = {}
        self._unusable: str | None = None
        self._unreachable: str | None = None
        self._skipped_until_s = float("-inf")

    async def read(self) -> None:
        """Read the settings of this process and system, and look whether ALL_PROXY is there."""
        self._settings = getproxies()
        if no_proxy.spares(self._settings.get("no", ""), _ANY_URL):
            return
        try:
            way = outbound_proxy.find_way("https", self._settings)
        except BadProxyError as error:
            _LOG.warning("The proxy for https:// can't be used: %s", error)
            return
        self._note(way)
        if way.is_optional and way.proxy is not None and not await _is_there(way.proxy):
            self._unreachable = outbound_proxy.unreachable_note(way.proxy)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of an ALL_PROXY that is not used: a sentence or two, or none.

        A proxy that is set for a scheme is not spoken of: it is used, or requests fail.
        """
        return tuple(text for text in (self._unusable, self._unreachable) if text is not None)

    async def to(self, base_url: str) -> WayOut:
        """The way to `base_url`.

        Raises:
            BadProxyError: the proxy that is set for its scheme can't be used.
        """
        way = self._ways.get(base_url)
        if way is None:
            # Aside, since macOS may look the host up for its list of exceptions.
            way = await asyncio.to_thread(_find, base_url, self._settings)
            self._ways[base_url] = way
            self._note(way)
        is_skipped = way.is_optional and self._clock_s() < self._skipped_until_s
        return DIRECT if is_skipped else way

    def note_skipped(self, way: WayOut) -> None:
        """Take note that a request got through directly, but not on this optional `way`."""
        if way.proxy is None:
            return
        if self._unreachable is None:
            _LOG.warning("ALL_PROXY can't be reached; requests go out directly")
        self._unreachable = outbound_proxy.unreachable_note(way.proxy)
        self._skipped_until_s = self._clock_s() + _SKIP_S

    def note_passed(self, way: WayOut) -> None:
        """Take note that a request got through on this `way`."""
        if way.is_optional:
            self._unreachable = None

    def _note(self, way: WayOut) -> None:
        if way.skipped is not None and way.skipped != self._unusable:
            self._unusable = way.skipped
            _LOG.warning("ALL_PROXY can't be used; requests go out directly")


async def _is_there(proxy: OutboundProxy) -> bool:
    try:
        async with asyncio.timeout(_LOOK_S):
            _, writer = await asyncio.open_connection(proxy.host, proxy.port)
    except OSError:  # a timeout is one
        return False
    writer.close()
    return True


def _find(base_url: str, settings: dict[str, str]) -> WayOut:
    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return DIRECT
    return outbound_proxy.find_way(parts.scheme, settings)
