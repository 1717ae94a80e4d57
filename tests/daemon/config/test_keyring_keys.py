"""Keys that the keyring holds: fetched beside the loop, kept, asked for again, and let go."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from keyring_harness import FakeKeyring
from loop_guard import no_blocking
from patience import PATIENCE_S

from offramp_core.config.stored_keys import KeyMark
from offramp_core.keys.system_keyring import KeyringError, SystemKeyring
from offramp_core.settings import Secret
from offramp_daemon.config.keyring_keys import WAITING, Keyring, KeyringKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

KEY = Secret("0123456789abcdef0123456789abcdef.AbCdEfGh12345678")
OTHER = Secret("fedcba98765432100123456789abcdef.HgFeDcBa87654321")
FIRST, SECOND = KeyMark("zai", "first"), KeyMark("zai", "second")


@dataclass
class Drawer:
    """A keyring whose answer the test decides, and that may be held shut."""

    answer: Mapping[str, Secret] | KeyringError
    asked: list[list[str]] = field(default_factory=list)
    is_asked: threading.Event = field(default_factory=threading.Event)
    is_open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.is_open.set()

    def get(self, names: Iterable[str]) -> Mapping[str, Secret]:
        self.asked.append(list(names))
        self.is_asked.set()
        self.is_open.wait(PATIENCE_S)
        if isinstance(self.answer, KeyringError):
            raise self.answer
        return self.answer


@dataclass
class Watched:
    """`KeyringKeys` at work, what it said, and its news as they come."""

    keys: KeyringKeys
    marks: list[KeyMark]
    said: list[str] = field(default_factory=list)
    news: asyncio.Queue[bool] = field(default_factory=asyncio.Queue)

    async def note(self, *, is_new: bool) -> None:
        self.news.put_nowait(is_new)

    async def next_news(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            return await self.news.get()


@contextlib.asynccontextmanager
async def watched(
    drawer: Keyring, *marks: KeyMark, first_retry_s: float = 60.0
) -> AsyncIterator[Watched]:
    keys = KeyringKeys(drawer, first_retry_s=first_retry_s, last_retry_s=4 * first_retry_s)
    watch = Watched(keys, list(marks))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(
            keys.watch(lambda: watch.marks, on_news=watch.note, say=watch.said.append)
        )
        yield watch
        task.cancel()


async def test_key_is_fetched_and_held() -> None:
    async with watched(Drawer({"zai": KEY}), FIRST) as watch:
        assert watch.keys.is_first_try
        assert await watch.next_news() is True
        assert watch.keys.held == {FIRST: KEY}
        assert watch.said == ["The keyring gave the key for zai."]
        assert not watch.keys.is_first_try


async def test_nothing_marked_asks_nobody() -> None:
    drawer = Drawer({"zai": KEY})
    async with watched(drawer) as watch:
        watch.keys.look_again(for_all=True)
        watch.marks.append(FIRST)
        watch.keys.look_again()
        await watch.next_news()
    assert drawer.asked == [["zai"]]


async def test_blocked_keyring_blocks_nothing_and_its_wait_can_be_cancelled() -> None:
    drawer = Drawer({"zai": KEY})
    drawer.is_open.clear()
    async with watched(drawer, FIRST) as watch:
        assert await asyncio.to_thread(drawer.is_asked.wait, 5)
        assert (watch.keys.held, watch.keys.note) == ({}, WAITING)
    drawer.is_open.set()


async def test_trouble_is_said_once_and_its_end_too() -> None:
    drawer = Drawer(KeyringError("locked"))
    async with watched(drawer, FIRST, first_retry_s=0.01) as watch:
        for _ in range(3):  # again and again without being asked to
            assert await watch.next_news() is False
        assert len(watch.said) == 1
        assert "locked" in watch.said[0]
        assert "requests go to Claude" in watch.said[0]
        assert watch.keys.note == f"{WAITING}: the system keyring is locked"
        drawer.answer = {"zai": KEY}
        while not await watch.next_news():
            pass
        assert watch.said[1:] == ["The keyring gave the key for zai."]


async def test_pauses_between_tries_grow_to_a_limit(monkeypatch) -> None:
    waits: list[float | None] = []
    real_timeout = asyncio.timeout

    def timeout(delay_s: float | None) -> asyncio.Timeout:
        waits.append(delay_s)
        return real_timeout(0)

    drawer = Drawer(KeyringError("absent"))
    async with watched(drawer, FIRST, first_retry_s=30.0) as watch:
        monkeypatch.setattr(asyncio, "timeout", timeout)
        for _ in range(5):
            await watch.news.get()
        monkeypatch.undo()
    assert waits[:5] == [30.0, 60.0, 120.0, 120.0, 120.0]


async def test_other_trouble_is_said_too() -> None:
    drawer = Drawer(KeyringError("locked"))
    async with watched(drawer, FIRST, first_retry_s=0.01) as watch:
        await watch.next_news()
        drawer.answer = {}
        while len(watch.said) < 2:
            await watch.next_news()
        assert "has no key for zai" in watch.said[1]
        assert "offramp key set zai" in watch.said[1]


async def test_being_asked_ends_the_pause() -> None:
    drawer = Drawer(KeyringError("locked"))
    async with watched(drawer, FIRST) as watch:
        await watch.next_news()
        drawer.answer = {"zai": KEY}
        watch.keys.look_again()
        assert watch.keys.note == WAITING
        assert await watch.next_news() is True


async def test_key_that_is_stored_anew_replaces_the_old_one() -> None:
    drawer = Drawer({"zai": KEY})
    async with watched(drawer, FIRST) as watch:
        await watch.next_news()
        watch.marks[:], drawer.answer = [SECOND], {"zai": OTHER}
        watch.keys.look_again()
        await watch.next_news()
        assert watch.keys.held == {SECOND: OTHER}


async def test_reload_takes_a_key_that_was_changed_in_the_keyring_itself() -> None:
    drawer = Drawer({"zai": KEY})
    async with watched(drawer, FIRST) as watch:
        await watch.next_news()
        drawer.answer = {"zai": OTHER}
        watch.keys.look_again(for_all=True)
        assert await watch.next_news() is True
        assert watch.keys.held == {FIRST: OTHER}


@pytest.mark.parametrize("answer", [KeyringError("locked"), {}])
async def test_key_that_can_not_be_had_again_stays(answer) -> None:
    drawer = Drawer({"zai": KEY})
    async with watched(drawer, FIRST) as watch:
        await watch.next_news()
        drawer.answer = answer
        watch.keys.look_again(for_all=True)
        assert await watch.next_news() is False
        assert watch.keys.held == {FIRST: KEY}
        assert "The old one stays" in watch.said[-1]


async def test_what_is_no_longer_marked_is_forgotten() -> None:
    drawer = Drawer({"zai": KEY, "other": OTHER})
    other = KeyMark("other", "first")
    async with watched(drawer, FIRST, other) as watch:
        await watch.next_news()
        watch.marks.remove(FIRST)
        drawer.answer = {"zai": KEY, "other": KEY}
        watch.keys.look_again(for_all=True)
        assert await watch.next_news() is True
        assert watch.keys.held == {other: KEY}


async def test_system_without_room_for_a_thread_is_survived(monkeypatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    drawer = Drawer({"zai": KEY})
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        async with watched(drawer, FIRST, first_retry_s=0.01) as watch:
            assert await watch.next_news() is False
            assert "too many threads" in watch.said[0]
            patched.undo()
            while not await watch.next_news():
                pass


async def test_error_of_another_kind_does_not_end_the_watch() -> None:
    class Odd(Drawer):
        def get(self, names: Iterable[str]) -> Mapping[str, Secret]:
            if not self.asked:
                self.asked.append(list(names))
                raise ZeroDivisionError
            return super().get(names)

    async with watched(Odd({"zai": KEY}), FIRST, first_retry_s=0.01) as watch:
        assert await watch.next_news() is True


async def test_real_call_blocks_no_event_loop(tmp_path, monkeypatch) -> None:
    for name, value in FakeKeyring(tmp_path).variables.items():
        monkeypatch.setenv(name, value)
    keyring = SystemKeyring("offramp-test")
    await asyncio.to_thread(keyring.set, "zai", KEY)
    with no_blocking("offramp_daemon", "offramp_core"):
        async with watched(keyring, FIRST) as watch:
            assert await watch.next_news() is True
    assert watch.keys.held == {FIRST: KEY}
