"""Knows how much of each plan is used: the daemon's one keeper of it.

It is told, by answers that pass and by the poller; it asks nobody. What it knows outlives the
daemon, with its age. Accounts are kept apart by a salted hash, and a credential is never stored.
Nothing here raises towards a request, waits for a disk, or makes a figure up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from offramp_core.errors import OfframpError
from offramp_core.quota import windows
from offramp_core.quota.windows import PlanQuota
from offramp_core.services.anthropic import KEY_WINDOWS
from offramp_daemon.quota import merging, state_file
from offramp_daemon.quota.account_ids import AccountIds
from offramp_daemon.quota.history_log import QuotaHistory
from offramp_daemon.services import anthropic
from offramp_daemon.storage.background_writer import WriteQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from offramp_core.paths import Paths
    from offramp_core.quota.windows import QuotaWindow
    from offramp_core.settings import Backend
    from offramp_daemon.clock import Clock
    from offramp_daemon.services.anthropic import LimitHeaders
    from offramp_daemon.storage.background_writer import BackgroundWriter

SAVE_EVERY_S: Final = 5.0
"""Figures move with each answer: a crash may cost those of so many seconds."""

_MOST_ALIASES = 256
SAME_FOR: Final = timedelta(seconds=20)
"""For so long figures that are told again are as good as those before."""
_WORDS = re.compile(r"[a-z0-9]+")

_log = logging.getLogger(__name__)

Plans = tuple[PlanQuota, ...]


class PollTrigger(Protocol):
    """Asks one service for the figures that no answer carries."""

    def note_use(self) -> None:
        """Take into account that it was used, so that its figures are old."""

    def ask_soon(self) -> None:
        """Have its figures asked for at once."""


class QuotaTracker:
    """The latest figures of each account. Used from the event loop only.

    At each backend the account that told last is the one in use.
    """

    def __init__(
        self,
        paths: Paths,
        log_folder: Path,
        writer: BackgroundWriter,
        *,
        machine: str = "",
        clock: Clock,
        on_change: Callable[[], None],
        say: Callable[[str], None],
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        """Know nothing yet; `writer`, which is not started yet, writes what is to be kept.

        `on_change` is called when those who watch would see a difference.
        """
        self.pollers: Mapping[str, PollTrigger] = {}
        """Who asks services that must be asked, by the backend's name."""
        self._file = paths.quota_file
        self._clock = clock
        self._on_change = on_change
        self._say = say
        self._accounts = AccountIds(paths.account_salt_file)
        self._history = QuotaHistory(log_folder, writer, machine=machine)
        self._known: dict[tuple[str, str], PlanQuota] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        self._heads: dict[tuple[str, int], tuple[LimitHeaders, datetime]] = {}
        """What each login's last answer told, and when: most answers repeat it."""
        self._in_use: dict[str, tuple[str, int]] = {}
        """The login that each backend answered last."""
        self._may_be_spent: frozenset[str] = frozenset()
        """The backends with a window that is, or was, spent: all others need no closer look."""
        self._followers: list[Callable[[PlanQuota], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_failing = False
        self._seen: state_file.Mark | None = None
        self._state_file: WriteQueue[Plans] = WriteQueue(
            self._save,
            writer,
            nap_s=save_every_s,
            is_latest_only=True,
            on_abandoned=self._say_abandoned,
        )

    async def start(self) -> None:
        """Take up what the last daemon knew."""
        self._loop = asyncio.get_running_loop()
        plans = await asyncio.to_thread(self._load)
        self._known = {(plan.backend, plan.account): plan for plan in plans}
        self._find_spent()
        self._history.resume(plans)

    async def catch_up(self) -> None:
        """Take over what another daemon has written down by now.

        During a hand-over the one that leaves is told by the streams that it finishes.
        """
        plans = await asyncio.to_thread(self._load_if_new)
        if plans:
            self._adopt(plans)

    async def save_now(self) -> None:
        """Write down what is known, for other daemons to see; what fails is tried again later."""
        await asyncio.to_thread(self._save, [merging.latest_first(self._known.values())])

    def plans(self) -> Plans:
        """At each backend the quota to show, as `windows.find` chooses it; none if unknown."""
        known = merging.latest_first(self._known.values())
        names = sorted({plan.backend for plan in known})
        return tuple(plan for name in names if (plan := windows.find(known, name)) is not None)

    def follow(self, callback: Callable[[PlanQuota], None]) -> None:
        """Have `callback` called with an account's quota each time its service has told it."""
        self._followers.append(callback)

    def read_answer(
        self,
        backend: Backend,
        credential: str | None,
        raw_headers: Collection[tuple[bytes, bytes]],
    ) -> None:
        """Take into account what an answer to `credential` says in its head."""
        if not credential:
            return
        try:
            telling, now = anthropic.limit_headers(raw_headers), self._clock()
            if telling and self._is_news((backend.name, hash(credential)), telling, now):
                told = anthropic.read(telling, now)
                if told:
                    self.take(backend.name, credential, told)
        except Exception:  # noqa: BLE001 - a request must not fail for its quota
            _log.exception("An answer's quota could not be counted")

    def _is_news(self, source: tuple[str, int], telling: LimitHeaders, now: datetime) -> bool:
        """Return whether these headers say what the last ones from there, a moment ago, did not."""
        last, before = self._heads.get(source), self._in_use.get(source[0])
        self._in_use[source[0]] = source  # another login than before makes another account's news
        is_same = last is not None and last[0] == telling and source == before
        if is_same and last is not None and abs(now - last[1]) < SAME_FOR:
            return False
        if len(self._heads) >= _MOST_ALIASES:
            self._heads.clear()
        self._heads[source] = telling, now
        return True

    def take(
        self,
        backend: str,
        credential: str,
        told: Sequence[QuotaWindow],
        *,
        level: str | None = None,
    ) -> None:
        """Take into account what the service told of the account behind `credential`.

        All that was told at once has the same `read_at`.
        """
        now = max((window.read_at for window in told), default=self._clock())
        account = self._account(backend, credential, told, now)
        before = self._known.get((backend, account))
        known = before or PlanQuota(backend=backend, account=account, read_at=now)
        plan = merging.with_readings(known, told, now)
        if level is not None:
            plan = msgspec.structs.replace(plan, level=level)
        self._history.add_points(plan)
        self._put(plan)
        for callback in self._followers:
            try:
                callback(plan)
            except Exception:  # noqa: BLE001 - nor must what the service told be lost for it
                _log.exception("A follower of the quota failed")

    def take_from_others(self, told: Mapping[tuple[str, str], Sequence[QuotaWindow]]) -> None:
        """Take into account what other machines were told, of the plans that are known here.

        The keys are backends and the others' own names of accounts. What they were told is in
        their history, so nothing of it goes into this machine's.
        """
        now = self._clock()
        for (backend, _), windows_told in told.items():
            plans = [plan for plan in self._known.values() if plan.backend == backend]
            known = merging.same_account(plans, windows_told, now)
            if known is not None:
                plan = merging.with_other_machines(known, windows_told, now)
                if plan != known:
                    self._put(plan)

    def note_problem(self, backend: str, credential: str, why: str) -> None:
        """Keep why nothing newer is known; what was known stays, with its age."""
        account = self._account(backend, credential, (), self._clock())
        known = self._known.get((backend, account))
        plan = known or PlanQuota(backend=backend, account=account, read_at=self._clock())
        if plan.problem != why or known is None:
            self._put(msgspec.structs.replace(plan, problem=why))

    def spent_until(
        self, backend: str, model: str | None, account_of: str | None = None
    ) -> datetime | None:
        """Return until when the plan refuses `model`; None if it serves it, or nothing is known.

        It is the plan of the account behind the credential `account_of`, or else of that in use. A
        window of one family (`7d_opus`) counts only for that family, and an API key's limits,
        which refill within minutes, spend no plan.
        """
        if backend not in self._may_be_spent:
            return None
        plan = self._plan(backend, account_of)
        if plan is None:
            return None
        now = self._clock()
        ends = (
            window.resets
            for window in plan.windows
            if windows.is_spent(window, now) and _applies(window.name, model)
        )
        return max((end for end in ends if end is not None), default=None)

    def last_read_at(self, backend: str, credential: str) -> datetime | None:
        """Return when the account behind `credential` was last told of; None if it never was."""
        plan = self._plan(backend, credential)
        return plan.read_at if plan else None

    def ask_soon(self, backend: str) -> None:
        """Have the backend's figures asked for at once, where somebody asks at all."""
        if backend in self.pollers:
            self.pollers[backend].ask_soon()

    def note_use(self, backend: str) -> None:
        """Take into account that a request to the backend has ended, however it did."""
        if backend in self.pollers:
            self.pollers[backend].note_use()

    def _plan(self, backend: str, credential: str | None) -> PlanQuota | None:
        if credential is None:
            plans = merging.latest_first(self._known.values())
            return next((plan for plan in plans if plan.backend == backend), None)
        name = self._accounts.name(backend, credential)
        return self._known.get((backend, self._aliases.get((backend, name), name)))

    def _account(
        self, backend: str, credential: str, told: Sequence[QuotaWindow], now: datetime
    ) -> str:
        """Return the account's name, which it keeps when its credential is renewed."""
        name = self._accounts.name(backend, credential)
        alias = self._aliases.get((backend, name))
        if alias is not None and (backend, alias) in self._known:
            return alias
        if (backend, name) in self._known or not told:
            return name
        others = [plan for plan in self._known.values() if plan.backend == backend]
        same = merging.same_account(others, told, now)
        if same is None:
            return name
        self._aliases[backend, name] = same.account
        if len(self._aliases) > _MOST_ALIASES:
            del self._aliases[next(iter(self._aliases))]
        return same.account

    def _put(self, plan: PlanQuota) -> None:
        before = windows.find(self.plans(), plan.backend)
        self._known[plan.backend, plan.account] = plan
        kept = merging.latest_first(self._known.values())
        if len(kept) < len(self._known):
            self._known = {(each.backend, each.account): each for each in kept}
        self._find_spent()
        self._state_file.put(kept)
        after = windows.find(self.plans(), plan.backend)
        if after is not None and not merging.looks_alike(before, after):
            self._on_change()

    def _find_spent(self) -> None:
        self._may_be_spent = frozenset(
            plan.backend
            for plan in self._known.values()
            if any(_may_be_spent(window) for window in plan.windows)
        )

    def _load(self) -> Plans:
        self._accounts.load()
        try:
            return state_file.load(self._file, self._clock())
        except OfframpError as error:
            self._say(str(error))
            return ()

    def _load_if_new(self) -> Plans:
        mark = state_file.mark(self._file)
        if mark is None or mark == self._seen:
            return ()
        self._seen = mark
        with contextlib.suppress(OfframpError):  # said at the start, and repaired by the next save
            return state_file.load(self._file, self._clock())
        return ()

    def _save(self, batch: list[Plans]) -> list[Plans]:
        """Write the newest of `batch` down; on the saver's thread."""
        plans = batch[-1]
        try:
            joined = state_file.save(self._file, plans, self._clock())
        except OSError as error:
            if not self._is_failing:
                _log.warning(
                    "The plans' limits can't be saved now; saving is tried again",
                    extra={"file": str(self._file), "error": error.strerror or str(error)},
                )
            self._is_failing = True
            return [plans]
        self._is_failing = False
        if joined != plans and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._adopt, joined)
        return []

    def _say_abandoned(self, _left: int) -> None:
        _log.warning(
            "The plans' latest limits were lost: the daemon ended before they could be saved",
            extra={"file": str(self._file)},
        )

    def _adopt(self, plans: Plans) -> None:
        """Take over what another daemon was told meanwhile."""
        before = self.plans()
        joined = merging.joined(self._known.values(), plans, self._clock())
        self._known = {(plan.backend, plan.account): plan for plan in joined}
        self._find_spent()
        after = self.plans()
        if len(before) != len(after) or not all(map(merging.looks_alike, before, after)):
            self._on_change()


def _may_be_spent(window: QuotaWindow) -> bool:
    return window.status == windows.REJECTED or (window.used is not None and window.used >= 1)


def _applies(name: str, model: str | None) -> bool:
    """Return whether a window of that name limits requests for `model`, as a whole plan's does."""
    if name in KEY_WINDOWS or name == windows.MONTHLY_TOOLS:
        return False
    family = set(name.split("_")[1:])
    return family <= set(_WORDS.findall((model or "").lower()))
