"""An invented past for the demo: weeks of request records as a busy developer would leave them.

The same seed and moment give the same records. Nothing here is ever written into the user's own
log: the caller names the folder.
"""

from __future__ import annotations

import os
import random
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from offramp_core import private_files
from offramp_core.services import anthropic, zai
from offramp_core.usage import records
from offramp_core.usage.records import RequestRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEEKS = 8
FULL_PER_HOUR = 24
"""Requests in the busiest hours of a working day."""

_HOUR = timedelta(hours=1)
_WEEKEND = 0.3
_QUIET = 0.1
"""The least of an hour in the last day, so that its chart has no gap."""
_RECENT = 0.6
"""The least of the last hours, whatever the time of day."""
RHYTHM = (
    *(0.05, 0.02, 0.01, 0.0, 0.0, 0.0, 0.05, 0.2),
    *(0.5, 0.85, 1.0, 0.95, 0.5, 0.8, 1.0, 1.0),
    *(0.9, 0.7, 0.4, 0.2, 0.3, 0.35, 0.25, 0.1),
)
"""How much is done in each hour of a working day, against its busiest."""
_KEEP_REASONS = ("kept: server_tools", "kept: images", "kept: context_size", "kept: safety_check")
_TOKENS = (
    *("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    *("cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens"),
)
_FAILURES = ((429, 5), (529, 4), (400, 2), (502, 1), (200, 3))
"""HTTP statuses of failed requests with their weights; 200 is a stream that broke."""


@dataclass(frozen=True, slots=True)
class _Tier:
    """A model as it is asked for: how often, by whom it is served, and how much it writes."""

    model: str
    route: str | None
    weight: int
    served_model: str
    output_tokens: int
    cached_tokens: int


_TIERS = (
    _Tier("claude-opus-4-6", None, 26, "claude-opus-4-6", 900, 60_000),
    _Tier("claude-sonnet-4-5", "sonnet", 46, zai.GLM_4_7.name.lower(), 650, 35_000),
    _Tier("claude-haiku-4-5", "haiku", 28, zai.GLM_4_5_AIR.name.lower(), 180, 6_000),
)


def history(now: datetime, seed: int, *, since: datetime | None = None) -> Iterator[RequestRecord]:
    """Records of the `WEEKS` weeks before `now` (aware), in order of arrival, none after it.

    They lie in the working hours of `now`'s own zone; the last hours are never empty. With
    `since`, only what arrived after it.
    """
    begin = now.astimezone(UTC) - timedelta(weeks=WEEKS)
    hour = begin.replace(minute=0, second=0, microsecond=0)
    while hour <= now:
        if since is None or hour + _HOUR > since:
            for arrival, record in _records_of_hour(hour, now, seed):
                if arrival <= now and (since is None or arrival > since):
                    yield record
        hour += _HOUR


def write_history(folder: Path, now: datetime, seed: int) -> int:
    """Write the history into the month files of `folder`; the number of records written.

    A folder that holds records already gets only what is missing since the newest of them, and
    nothing at all if that is less than an hour old: so it can be called at each start.
    """
    newest = _newest(folder)
    if newest is not None and now - newest < _HOUR:
        return 0
    months: dict[str, list[bytes]] = defaultdict(list)
    for record in history(now, seed, since=newest):
        months[records.file_name(record.ts)].append(records.encode(record))
    private_files.make_folder(folder)
    for name, lines in months.items():
        _append(folder / name, b"".join(lines))
    return sum(len(lines) for lines in months.values())


def _records_of_hour(
    hour: datetime, now: datetime, seed: int
) -> Iterator[tuple[datetime, RequestRecord]]:
    dice = random.Random(f"{seed} {hour.isoformat()}")
    session = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    age = now - hour
    wanted = int(
        FULL_PER_HOUR * _density(hour.astimezone(now.tzinfo), age) * dice.uniform(0.8, 1.2)
        + dice.random()
    )
    arrivals = sorted(hour + _HOUR * dice.random() for _ in range(wanted))
    for arrival in arrivals:
        yield arrival, _record(arrival, session, age, dice)


def _density(hour: datetime, age: timedelta) -> float:
    """The share of the busiest hour's requests that falls into `hour` (local), `age` ago."""
    density = RHYTHM[hour.hour] * (_WEEKEND if hour.isoweekday() >= 6 else 1.0)
    if age <= timedelta(hours=4):
        return max(density, _RECENT)
    return max(density, _QUIET) if age <= timedelta(hours=25) else density


def _record(arrival: datetime, session: str, age: timedelta, dice: random.Random) -> RequestRecord:
    tier = dice.choices(_TIERS, [each.weight for each in _TIERS])[0]
    reason = _reason(tier, age, dice)
    is_delegated = reason.startswith("route")
    answered = RequestRecord(
        ts=records.format_timestamp(arrival),
        model=tier.model,
        backend=zai.NAME if is_delegated else anthropic.NAME,
        status="success",
        http_status=200,
        served_model=tier.served_model if is_delegated else tier.model,
        reason=reason,
        session_id=session,
        **_tokens(tier, dice, is_delegated=is_delegated),
    )
    fate = dice.random()
    if fate < 0.035:
        return _failed(answered, dice)
    if fate < 0.065:
        written = answered.output_tokens * dice.random()
        return msgspec.structs.replace(answered, status="cancelled", output_tokens=int(written))
    return answered


def _reason(tier: _Tier, age: timedelta, dice: random.Random) -> str:
    if tier.route is None:
        return "default"
    if age > timedelta(weeks=WEEKS - 2) and dice.random() < 0.7:
        return f"no key for {zai.NAME}"  # the time before the second plan was bought
    return dice.choice(_KEEP_REASONS) if dice.random() < 0.04 else f"route {tier.route}"


def _tokens(tier: _Tier, dice: random.Random, *, is_delegated: bool) -> dict[str, int]:
    """Token counts as each service reports them: only Anthropic's show cache writes."""
    cached = _spread(dice, tier.cached_tokens)
    output = _spread(dice, tier.output_tokens)
    if is_delegated:
        fresh = _spread(dice, 2500)
        return {
            "input_tokens": fresh,
            "output_tokens": output,
            "cache_read_input_tokens": cached // 64 * 64,
        }
    written = _spread(dice, 2200)
    is_long_lived = dice.random() < 0.3
    return {
        "input_tokens": dice.randint(3, 400),
        "output_tokens": output,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "cache_creation_5m_input_tokens": 0 if is_long_lived else written,
        "cache_creation_1h_input_tokens": written if is_long_lived else 0,
    }


def _failed(answered: RequestRecord, dice: random.Random) -> RequestRecord:
    statuses, weights = zip(*_FAILURES, strict=True)
    status = dice.choices(statuses, weights)[0]
    if status == 200:
        written = answered.output_tokens // 3
        return msgspec.structs.replace(answered, status="error", output_tokens=written)
    return msgspec.structs.replace(
        answered,
        status="error",
        http_status=status,
        served_model=None,
        **dict.fromkeys(_TOKENS, 0),
    )


def _spread(dice: random.Random, middle: int) -> int:
    """A count around `middle`, mostly near it, now and then several times as much."""
    return max(1, int(dice.lognormvariate(0, 0.7) * middle))


def _newest(folder: Path) -> datetime | None:
    """When the newest record in `folder` arrived; None where there is none."""
    for file in sorted(folder.glob(records.FILE_PATTERN), reverse=True):
        for line in reversed(_last_lines(file)):
            try:
                return datetime.fromisoformat(records.decode(line).ts)
            except (msgspec.DecodeError, ValueError):
                continue  # a torn or foreign line
    return None


def _last_lines(file: Path) -> list[bytes]:
    """The lines in the last stretch of `file`; the first of them may lack its beginning."""
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - 16_384))
        return content.read().splitlines()


def _append(file: Path, lines: bytes) -> None:
    """Add whole lines to `file`, on a line of their own even behind a torn one."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    with os.fdopen(private_files.open_file(file, flags), "ab+") as content:
        size = content.seek(0, 2)
        content.seek(max(0, size - 1))
        is_torn = size > 0 and content.read(1) != b"\n"
        content.write((b"\n" if is_torn else b"") + lines)
