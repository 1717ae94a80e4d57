"""The tray's connection to the session bus: kept, made again when lost, and never waited for long.

It knows messages and objects, and nothing of icons or menus. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dbus_fast.aio.message_bus import MessageBus
from dbus_fast.constants import MessageFlag, MessageType
from dbus_fast.errors import DBusFastError
from dbus_fast.message import Message

from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from offramp_tray.linux.dbus_object import BusObject

logger = logging.getLogger(__name__)

BUS: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"

CALL_TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S = 10.0

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 30.0
_STEADY_AFTER_S = 10.0
"""A connection that lasted so long was a good one: the next attempt follows at once."""

_LOST = (OSError, EOFError, ValueError, DBusFastError)
"""What an end of the connection, or a bus that talks nonsense, is reported as."""


class NoAddressError(OfframpError):
    """The environment does not say where the session bus is."""


class BusError(OfframpError):
    """A call was not answered, or refused."""

    def __init__(self, title: str, *, name: str = "") -> None:
        """Keep the D-Bus `name` of the error, empty if it is none."""
        super().__init__(title)
        self.name = name


class BusGoneError(BusError):
    """There is no connection, or none any more; there will be another one."""


def address_in(environ: Mapping[str, str]) -> str:
    """Where the session bus is, which need not be there yet.

    Raises:
        NoAddressError: nothing in `environ` says it, in a form that is understood.
    """
    address = environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    known = [part for part in address.split(";") if part.startswith(("unix:", "tcp:"))]
    if known:
        return ";".join(known)
    runtime_dir = environ.get("XDG_RUNTIME_DIR")
    if runtime_dir:
        return f"unix:path={quote(runtime_dir.rstrip('/'))}/bus"
    if address:
        raise NoAddressError(
            f"the address of the session bus has an unknown form ({address}).",
            hint="DBUS_SESSION_BUS_ADDRESS should begin with unix: or tcp:.",
        )
    raise NoAddressError(
        "this shell is not part of a desktop session (no session bus).",
        hint="Start the tray from within the desktop session, which sets "
        "DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR.",
    )


def overlook_lost_sends(loop: asyncio.AbstractEventLoop) -> None:
    """Keep `loop` from reporting each message that was on its way out when the connection broke.

    dbus-fast gives it a future that nobody waits for; that the connection broke is noticed anyway.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "future" in context and isinstance(context.get("exception"), OSError):
            logger.debug("A message was lost with the session bus.")
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


class SessionBus:
    """One connection at a time; while there is none, messages are dropped and calls fail."""

    def __init__(
        self,
        address: str,
        *,
        first_pause_s: float = _FIRST_PAUSE_S,
        longest_pause_s: float = _LONGEST_PAUSE_S,
    ) -> None:
        """Connect to the bus at `address`, by `serve`."""
        self._address = address
        self._objects: dict[str, BusObject] = {}
        self._listeners: list[Callable[[Message], None]] = []
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._bus: MessageBus | None = None
        self._closing = asyncio.Event()
        self._is_reported = False

    def export(self, exported: BusObject) -> None:
        """Answer the calls to its path."""
        self._objects[exported.path] = exported

    def listen(self, listener: Callable[[Message], None]) -> None:
        """Hand every signal to `listener`; the bus delivers only those asked for by `match`."""
        self._listeners.append(listener)

    async def serve(
        self, speak: Callable[[], Awaitable[None]], on_lost: Callable[[], None]
    ) -> None:
        """Stay connected until `close`.

        `speak` is run for each connection and cancelled at its end; `on_lost` is called at each
        end, and at each attempt that failed.
        """
        clock = asyncio.get_running_loop().time
        pause_s = self._first_pause_s
        while not self._closing.is_set():
            began_s = clock()
            try:
                await self._serve_once(speak)
            except _LOST as error:
                self._report_once(error)
            on_lost()
            if clock() - began_s > _STEADY_AFTER_S:
                pause_s = self._first_pause_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._closing.wait()
            pause_s = min(2 * pause_s, self._longest_pause_s)

    def close(self) -> None:
        """End `serve`, once what is under way has gone out."""
        self._closing.set()
        if self._bus is not None and self._bus.connected:
            self._bus.disconnect()

    def send(self, message: Message) -> None:
        """Send a signal or an answer; dropped while there is no connection."""
        if self._bus is not None and self._bus.connected:
            # dbus-fast notices a broken connection later than the write to it fails.
            with contextlib.suppress(OSError):
                self._bus.send(message)

    async def call(
        self,
        destination: str,
        path: str,
        member: str,
        signature: str = "",
        *arguments: Any,
        timeout_s: float = CALL_TIMEOUT_S,
        may_start: bool = False,
    ) -> list[Any]:
        """Call a method, `member` with its interface, and give what it answers.

        `may_start`: the bus may start the service that has the name.

        Raises:
            BusGoneError: there is no connection.
            BusError: the call was refused, or not answered in `timeout_s`.
        """
        interface, _, name = member.rpartition(".")
        message = Message(
            destination,
            path,
            interface,
            name,
            flags=MessageFlag.NONE if may_start else MessageFlag.NO_AUTOSTART,
            signature=signature,
            body=list(arguments),
        )
        bus = self._bus
        if bus is None or not bus.connected:
            raise BusGoneError(f"{name}: no session bus.")
        try:
            async with asyncio.timeout(timeout_s):
                reply: Message | None = await bus.call(message)
        except TimeoutError as error:
            raise BusError(f"{destination} does not answer {name} in {timeout_s:g} s.") from error
        except _LOST as error:
            raise BusGoneError(f"{name}: the session bus went away.") from error
        if reply is None:
            raise BusGoneError(f"{name}: the session bus went away.")
        if reply.message_type is MessageType.ERROR:
            raise BusError(
                f"{destination} refused {name}: {reply.body}", name=reply.error_name or ""
            )
        return list(reply.body)

    async def match(self, **rule: str) -> None:
        """Have the bus deliver the signals that fit `rule`.

        Raises:
            BusError: as `call`.
        """
        text = ",".join(f"{key}='{value}'" for key, value in {"type": "signal", **rule}.items())
        await self.call(BUS, BUS_PATH, f"{BUS}.AddMatch", "s", text)

    async def _serve_once(self, speak: Callable[[], Awaitable[None]]) -> None:
        bus = MessageBus(self._address, auth_timeout=_CONNECT_TIMEOUT_S)
        bus.add_message_handler(self._on_message)
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await bus.connect()
        self._bus = bus
        self._is_reported = False
        if self._closing.is_set():
            bus.disconnect()

        async def speak_on() -> None:
            try:
                await speak()
            except* BusGoneError:
                pass  # what follows is the same as if nothing had been under way
            except* BusError as errors:
                logger.warning(
                    "The session bus refused the tray.", extra={"errors": str(errors.exceptions)}
                )
                bus.disconnect()

        try:
            async with asyncio.TaskGroup() as group:
                speaking = group.create_task(speak_on(), name="session bus")
                with contextlib.suppress(*_LOST):
                    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # it has none
                # Calls under way have failed by now; let them see why before they are cancelled.
                await asyncio.sleep(0)
                speaking.cancel()
        finally:
            self._bus = None
            if bus.connected:  # cancelled, or a bug in `speak`
                bus.disconnect()

    def _report_once(self, error: Exception) -> None:
        """Log that there is no bus: once, until there was one again."""
        level = logging.DEBUG if self._is_reported else logging.ERROR
        self._is_reported = True
        logger.log(
            level,
            "The session bus can't be reached, so no icon can be shown; the tray keeps trying. "
            "Is this a desktop session, and dbus-daemon or dbus-broker running?",
            extra={"address": self._address, "error": repr(error)},
        )

    def _on_message(self, message: Message) -> Message | bool:
        """Of dbus-fast: True keeps it from handling the message itself."""
        if message.message_type is MessageType.SIGNAL:
            for listener in self._listeners:
                listener(message)
            return False
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        answering = self._objects.get(message.path or "")
        answer = answering.answer(message) if answering else None
        if answer is None:
            return False  # it knows Ping, and how to refuse what nobody has
        if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
            self.send(answer)
        return True
