"""The connection to the session bus: where it is, and what becomes of it."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
from typing import TYPE_CHECKING

import pytest
from dbus_fast.aio.message_bus import MessageBus
from dbus_fast.message import Message
from patience import PATIENCE_S

from offramp_tray.linux.session_bus import (
    BUS,
    BUS_PATH,
    BusError,
    NoAddressError,
    SessionBus,
    address_in,
    overlook_lost_sends,
)

if TYPE_CHECKING:
    from pathlib import Path

    from private_bus import PrivateBus


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/a,guid=1"}, "unix:path=/a,guid=1"),
        (
            {"DBUS_SESSION_BUS_ADDRESS": "unix:abstract=/a;tcp:host=b"},
            "unix:abstract=/a;tcp:host=b",
        ),
        ({"DBUS_SESSION_BUS_ADDRESS": "autolaunch:;unix:path=/a"}, "unix:path=/a"),
        ({"XDG_RUNTIME_DIR": "/run/user/1000"}, "unix:path=/run/user/1000/bus"),
        ({"XDG_RUNTIME_DIR": "/a b,c/"}, "unix:path=/a%20b%2Cc/bus"),
        (
            {"DBUS_SESSION_BUS_ADDRESS": "autolaunch:", "XDG_RUNTIME_DIR": "/r"},
            "unix:path=/r/bus",
        ),
    ],
)
def test_address_is_found_in_the_environment(environ: dict[str, str], address: str) -> None:
    assert address_in(environ) == address


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "no session bus"),
        ({"DBUS_SESSION_BUS_ADDRESS": "autolaunch:"}, "autolaunch:"),
    ],
)
def test_environment_without_an_address_says_what_to_do(environ: dict[str, str], told: str) -> None:
    with pytest.raises(NoAddressError, match=told) as raised:
        address_in(environ)
    assert "DBUS_SESSION_BUS_ADDRESS" in raised.value.hint


async def test_call_gives_the_values_of_the_answer(bus: PrivateBus) -> None:
    session = SessionBus(bus.address)
    answers = []

    async def speak() -> None:
        answers.extend(await session.call(BUS, BUS_PATH, f"{BUS}.NameHasOwner", "s", BUS))
        session.close()

    await session.serve(speak, lambda: None)
    assert answers == [True]


async def test_call_that_is_refused_names_the_error(bus: PrivateBus) -> None:
    session = SessionBus(bus.address)
    errors: list[BusError] = []

    async def speak() -> None:
        try:
            await session.call("org.example.Nobody", "/", "org.example.Thing.Do")
        except BusError as error:
            errors.append(error)
        session.close()

    await session.serve(speak, lambda: None)
    assert errors[0].name == "org.freedesktop.DBus.Error.NameHasNoOwner"
    assert "org.example.Nobody refused Do" in errors[0].title


async def test_call_under_way_fails_when_the_bus_goes(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    overlook_lost_sends(asyncio.get_running_loop())
    session = SessionBus(bus.address)
    errors: list[str] = []

    async def speak() -> None:
        bus.stop()
        try:
            await session.call(BUS, BUS_PATH, f"{BUS}.ListNames")
        except BusError as error:
            errors.append(error.title)
            session.close()

    await session.serve(speak, lambda: None)
    assert "session bus" in errors[0]
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_other_mistakes_are_still_reported(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    overlook_lost_sends(loop)
    loop.call_exception_handler({"message": "a mistake", "exception": KeyError("x")})
    assert "a mistake" in caplog.messages[0]


async def test_message_that_meets_a_broken_connection_is_dropped(
    bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionBus(bus.address)
    missed: list[str | None] = []

    def refuse(_bus: MessageBus, message: Message) -> None:
        """As one whose socket was closed before it has taken note of that."""
        missed.append(message.member)
        raise OSError(errno.EBADF, "Bad file descriptor")

    async def speak() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(MessageBus, "send", refuse)
            session.send(Message.new_signal("/a", "a.b", "C"))
        session.close()

    async with asyncio.timeout(PATIENCE_S):
        await session.serve(speak, lambda: None)
    assert missed == ["C"]


async def test_call_without_a_connection_fails_at_once() -> None:
    with pytest.raises(BusError, match="no session bus"):
        await SessionBus("unix:path=/nowhere").call(BUS, BUS_PATH, f"{BUS}.ListNames")


async def test_bus_that_is_nowhere_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session = SessionBus(f"unix:path={tmp_path}/bus", first_pause_s=0.001, longest_pause_s=0.004)
    failures = asyncio.Semaphore(0)

    async def never() -> None:
        raise AssertionError

    async with asyncio.TaskGroup() as group:
        group.create_task(session.serve(never, failures.release))
        for _attempt in range(5):
            await failures.acquire()
        session.close()
    told = [record.message for record in caplog.records if "no icon can be shown" in record.message]
    assert len(told) == 1


async def test_attempts_become_rarer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = SessionBus(f"unix:path={tmp_path}/bus", first_pause_s=1.0, longest_pause_s=5.0)
    pauses: list[float] = []
    timeout = asyncio.timeout

    def note(delay_s: float) -> asyncio.Timeout:
        if delay_s <= 5.0:
            pauses.append(delay_s)
            if len(pauses) == 6:
                session.close()
            return timeout(0)
        return timeout(delay_s)

    monkeypatch.setattr("offramp_tray.linux.session_bus.asyncio.timeout", note)

    async def never() -> None:
        raise AssertionError

    await session.serve(never, lambda: None)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


async def test_close_ends_the_wait_for_the_next_attempt(tmp_path: Path) -> None:
    session = SessionBus(f"unix:path={tmp_path}/bus", first_pause_s=3600.0, longest_pause_s=3600.0)

    async def never() -> None:
        raise AssertionError

    async with asyncio.timeout(PATIENCE_S):
        await session.serve(never, session.close)


async def test_bus_that_refuses_what_is_needed_is_tried_again(
    bus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    session = SessionBus(bus.address, first_pause_s=0.001)
    attempts = 0

    async def speak() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            session.close()
        await session.call(BUS, BUS_PATH, f"{BUS}.NoSuchMethod")

    await session.serve(speak, lambda: None)
    assert attempts == 3
    assert "The session bus refused the tray." in caplog.messages


async def test_something_that_is_no_bus_is_survived(tmp_path: Path) -> None:
    async def talk_nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example ready\r\n")
        writer.close()

    server = await asyncio.start_unix_server(talk_nonsense, tmp_path / "bus")
    session = SessionBus(f"unix:path={tmp_path}/bus", first_pause_s=0.001)
    failures = 0

    def count() -> None:
        nonlocal failures
        failures += 1
        if failures == 3:
            session.close()

    async def never() -> None:
        raise AssertionError

    async with server, asyncio.timeout(PATIENCE_S):
        await session.serve(never, count)
    assert failures == 3
