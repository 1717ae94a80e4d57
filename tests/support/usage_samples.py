"""Usage records, and strategies that make them around daylight saving and other edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from offramp_core.usage.records import DetailRecord, RequestRecord, format_timestamp
from offramp_core.usage.weeks import WeekBoundary

NOW = datetime(2026, 3, 30, 9, 41, 17, tzinfo=UTC)

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
"""Two with an hour of daylight saving, one with half an hour, one 5 h 45 min from UTC."""

CLOCK_CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin, forward
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # Berlin, back
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York, forward
    datetime(2026, 11, 1, 6, tzinfo=UTC),  # New York, back
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe, back
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # Lord Howe, forward
)

boundaries = st.builds(
    WeekBoundary,
    day=st.integers(0, 6),
    hour=st.integers(0, 23),
    zone=st.sampled_from([ZoneInfo(name) for name in ZONES]),
)

nows = st.builds(
    lambda change, after: change + after,
    st.sampled_from(CLOCK_CHANGES),
    st.timedeltas(timedelta(days=-1), timedelta(days=9)),
)
"""Moments shortly before and after clocks are changed."""

_ages = st.one_of(
    st.timedeltas(timedelta(0), timedelta(hours=4)),
    st.timedeltas(timedelta(0), timedelta(hours=30)),
    st.timedeltas(timedelta(0), timedelta(days=16)),
    st.timedeltas(timedelta(0), timedelta(days=90)),
)
_counts = st.integers(0, 10**7)


def record(
    ts: datetime = NOW,
    *,
    model: str | None = "claude-sonnet-4-5",
    backend: str | None = "zai",
    status: str = "success",
    tokens: tuple[int, int, int, int] = (10, 20, 3, 400),
    session: str | None = None,
    served: str | None = None,
) -> DetailRecord:
    """A Sonnet request that Z.ai served, unless said otherwise."""
    return DetailRecord(
        ts=ts,
        model=model,
        backend=backend,
        status=status,  # type: ignore[arg-type]
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        cache_creation_input_tokens=tokens[2],
        cache_read_input_tokens=tokens[3],
        session_id=session,
        served_model=served,
    )


def as_request(used: DetailRecord) -> RequestRecord:
    """The log's record of it."""
    return RequestRecord(
        ts=format_timestamp(used.ts),
        model=used.model,
        backend=used.backend,
        status=used.status,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_creation_input_tokens=used.cache_creation_input_tokens,
        cache_read_input_tokens=used.cache_read_input_tokens,
        session_id=used.session_id,
        served_model=used.served_model,
    )


def logs_before(now: datetime, max_size: int = 40) -> st.SearchStrategy[list[DetailRecord]]:
    """Records of the three months before `now`, to the millisecond, in no order."""
    moments = _ages.map(lambda age: _to_ms(now - age))
    records = st.builds(
        record,
        moments,
        model=st.sampled_from(["claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-6", None]),
        backend=st.sampled_from(["zai", "anthropic", None]),
        status=st.sampled_from(["success", "error", "cancelled"]),
        tokens=st.tuples(_counts, _counts, _counts, _counts),
    )
    return st.lists(records, max_size=max_size)


def _to_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
