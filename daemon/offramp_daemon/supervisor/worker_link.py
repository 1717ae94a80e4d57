"""The worker's side of supervision: says how it goes to whoever started it, and hears commands.

That is our own supervisor (a stream both ways), or systemd where a unit runs `offramp serve`
itself (one way), or nobody, and then all of this is silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING

from offramp_daemon.supervisor import sd_notify, worker_pool
from offramp_daemon.supervisor.processes import CHANNEL_VARIABLE, SUCCESSOR_VARIABLE
from offramp_daemon.supervisor.sd_notify import Channel, SdNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

_SIGNS_PER_LIMIT = 6
"""How often a sign of life is given within the time that silence may last."""


class WorkerLink:
    """Who watches over this process, if anybody does."""

    def __init__(
        self,
        manager: SdNotifier | None = None,
        channel: Channel | None = None,
        *,
        limit_s: float | None = None,
        is_successor: bool = False,
    ) -> None:
        """Talk to `channel`'s other end if there is one, else to `manager`."""
        self.is_successor = is_successor
        """Whether another process serves until this one does."""
        self._manager = manager
        self._channel = channel
        self._limit_s = limit_s
        self._restart: asyncio.Future[str] | None = None
        self.pid = os.getppid() if channel else None
        """The supervisor's, if there is one."""

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> WorkerLink:
        """Whom `environ` names; its variables are taken out, for they are not for children."""
        told = sd_notify.take_from(environ)
        limit_s = sd_notify.watchdog_limit_s(told, os.getpid())
        number = environ.pop(CHANNEL_VARIABLE, "")
        channel = None
        with contextlib.suppress(OSError, ValueError):  # the variable of somebody else's process
            channel = Channel(socket.socket(fileno=int(number))) if number else None
        is_successor = environ.pop(SUCCESSOR_VARIABLE, "") != ""
        return cls(SdNotifier(told), channel, limit_s=limit_s, is_successor=is_successor)

    @property
    def has_supervisor(self) -> bool:
        """Whether our own supervisor started this process, and can have another take its place."""
        return self._channel is not None

    @property
    def is_watched(self) -> bool:
        """Whether this process is ended if it gives no sign of life."""
        return self._limit_s is not None

    def send(self, *lines: str) -> None:
        """Say `lines`; never blocks, never raises."""
        if self._channel is not None:
            self._channel.send(*lines)
        elif self._manager is not None:
            self._manager.send(*lines)

    async def give_signs_of_life(self) -> None:
        """Say again and again that the event loop turns, until cancelled."""
        while self._limit_s is not None:
            self.send(sd_notify.WATCHDOG)
            await asyncio.sleep(self._limit_s / _SIGNS_PER_LIMIT)

    @contextlib.contextmanager
    def listening(
        self, *, on_leave: Callable[[], None], on_loss: Callable[[], None]
    ) -> Iterator[None]:
        """Hear the supervisor's commands meanwhile; `on_loss` is called once it has gone."""
        loop, channel = asyncio.get_running_loop(), self._channel

        def read() -> None:
            assert channel is not None
            for name, value in channel.read():
                if name == "LEAVE":
                    self._settle_restart("")
                    on_leave()
                elif name == worker_pool.RESTART_FAILED:
                    self._settle_restart(value or "It did not start.")
            if not channel.is_open:
                loop.remove_reader(channel.fileno())
                channel.close()
                self._settle_restart("The supervisor has ended.")
                on_loss()

        if channel is not None:
            loop.add_reader(channel.fileno(), read)
        try:
            yield
        finally:
            if channel is not None and channel.is_open:
                loop.remove_reader(channel.fileno())

    async def restart(self, program: str = "") -> str:
        """Have another worker take this one's place; why that failed, or nothing.

        `program` is the `offramp-daemon` that the supervisor is to go on as, if it is another.
        """
        if self._restart is None:
            self._restart = asyncio.get_running_loop().create_future()
            self.send(f"RESTART={program or 1}")
        return await asyncio.shield(self._restart)

    def _settle_restart(self, problem: str) -> None:
        if self._restart is not None and not self._restart.done():
            self._restart.set_result(problem)
        if problem:
            self._restart = None
