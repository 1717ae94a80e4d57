"""Sessions: every request in exactly one, changes of service counted per model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from offramp_core.usage.aggregation import Counts
from offramp_core.usage.records import DetailRecord
from offramp_core.usage.sessions import Service, SessionTable

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def detail(
    session: str | None = "one",
    *,
    after_s: float = 0,
    backend: str | None = "zai",
    model: str | None = "claude-sonnet-4-5",
    served: str | None = "glm-4.7",
    status: str = "success",
    tokens: tuple[int, int, int, int] = (1, 2, 3, 4),
    reason: str | None = "route sonnet",
) -> DetailRecord:
    return DetailRecord(
        ts=NOW + timedelta(seconds=after_s),
        model=model,
        backend=backend,
        status=status,  # type: ignore[arg-type]
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        cache_creation_input_tokens=tokens[2],
        cache_read_input_tokens=tokens[3],
        served_model=served,
        reason=reason,
        session_id=session,
    )


def opus(session: str = "one", after_s: float = 0) -> DetailRecord:
    return detail(
        session, after_s=after_s, backend="anthropic", model="claude-opus-4-6", served=None
    )


def test_session_has_its_times_totals_and_services() -> None:
    table = SessionTable()
    table.add([detail(after_s=5), opus(after_s=9), detail(after_s=1, status="error")])
    (session,) = table.sessions()
    assert (session.id, session.start, session.last) == (
        "one",
        NOW + timedelta(seconds=1),
        NOW + timedelta(seconds=9),
    )
    assert (session.total().requests, session.total().errors) == (3, 1)
    assert list(session.services) == [
        Service("zai", "claude-sonnet-4-5", "glm-4.7"),
        Service("anthropic", "claude-opus-4-6", None),
    ]
    assert session.services[Service("zai", "claude-sonnet-4-5", "glm-4.7")].counts == Counts(
        2, 2, 4, 6, 8
    )


def test_models_side_by_side_are_no_change_of_service() -> None:
    table = SessionTable()
    table.add([detail(), opus(), detail(), opus()])
    assert table.sessions()[0].changes == 0


def test_model_that_goes_elsewhere_and_back_has_changed_twice() -> None:
    table = SessionTable()
    table.add([detail(), detail(backend="anthropic"), opus(), detail()])
    assert table.sessions()[0].changes == 2


def test_latest_session_comes_first() -> None:
    table = SessionTable()
    table.add([detail("old"), detail("new", after_s=2), detail("middle", after_s=1)])
    assert [session.id for session in table.sessions()] == ["new", "middle", "old"]


def test_requests_without_a_session_are_counted() -> None:
    table = SessionTable()
    table.add([detail(None), detail(""), detail()])
    assert table.without_session == 2
    assert len(table.sessions()) == 1


@given(
    st.lists(
        st.builds(
            detail,
            st.sampled_from(["a", "b", None]),
            after_s=st.integers(0, 100),
            backend=st.sampled_from(["zai", "anthropic", None]),
            status=st.sampled_from(["success", "error", "cancelled"]),
            tokens=st.tuples(*[st.integers(0, 10**9)] * 4),
        )
    ),
    st.integers(0, 20),
)
def test_no_request_and_no_token_is_lost(log: list[DetailRecord], cut: int) -> None:
    table = SessionTable()
    table.add(log[:cut])
    table.add(log[cut:])
    sessions = table.sessions()
    assert sum(s.total().requests for s in sessions) + table.without_session == len(log)
    tokens = sum(
        r.input_tokens + r.output_tokens + r.cache_creation_input_tokens + r.cache_read_input_tokens
        for r in log
        if r.session_id
    )
    assert sum(s.total().tokens for s in sessions) == tokens
