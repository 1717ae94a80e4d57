"""What requests and their outcomes say of delegation, and which say nothing."""

from __future__ import annotations

import json

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request
from proxy_harness import settings_for
from watch_desk import Desk

from offramp_core.control import api
from offramp_core.settings import ANTHROPIC, Route
from offramp_core.wording.trouble_text import cure_text
from offramp_daemon.exchange import Exchange
from offramp_daemon.messages import request_body
from offramp_daemon.messages.answers.outcome import Outcome, of_abandoned, of_cut
from offramp_daemon.routing import router
from offramp_daemon.routing.affinity import Conversation
from offramp_daemon.routing.decision import Decision
from offramp_daemon.trouble.request_notes import RequestNotes

SETTINGS = settings_for("http://127.0.0.1:8", "http://127.0.0.1:9")
SONNET = "claude-sonnet-5-5"
HAIKU = "claude-haiku-5-5"
SERVED = Outcome(status="success", http_status=200, was_passed_on=True)
EMPTY = Outcome(
    status="success",
    http_status=200,
    was_passed_on=True,
    trouble_cause=api.EMPTY_ANSWERS,
    detail="HTTP 200",
)
REFUSED = Outcome(
    status="error", http_status=400, trouble_cause=api.REFUSED, detail="HTTP 400, code 1210"
)
UNREACHABLE = Outcome(status="error", kind=api.UNREACHABLE)


class Notes:
    """Notes at a desk, and requests that end in a given way."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.notes = RequestNotes(self.desk.watch)

    def exchange(
        self, session: str | None = "s1", model: str = SONNET, **fields: object
    ) -> Exchange:
        """A request that the routes have decided on."""
        exchange = Exchange(
            make_mocked_request("POST", "/v1/messages"), SETTINGS, (self.notes.note_outcome,)
        )
        body = {"model": model, "max_tokens": 9, "messages": [], **fields}
        exchange.body = request_body.read(json.dumps(body).encode())
        exchange.session_id = session
        exchange.conversation = Conversation.of(session, None, model)
        exchange.send_to(router.decide(exchange.body, SETTINGS))
        return exchange

    def end(self, outcome: Outcome, session: str | None = "s1", model: str = SONNET) -> None:
        exchange = self.exchange(session, model)
        self.notes.note_sent(exchange)
        exchange.finish(outcome)

    @property
    def causes(self) -> list[str]:
        return [trouble.cause for trouble in self.desk.watch.troubles()]


@pytest.fixture
def notes() -> Notes:
    return Notes()


def test_three_empty_answers_in_a_row_are_reported_and_then_skipped(notes):
    for _ in range(3):
        assert notes.notes.skip_for(notes.exchange()) is None
        notes.end(EMPTY)
    (trouble,) = notes.desk.watch.troubles()
    assert (trouble.cause, trouble.model, trouble.requests) == (api.EMPTY_ANSWERS, SONNET, 0)
    skip = notes.notes.skip_for(notes.exchange())
    assert skip is not None
    assert skip.cause == api.EMPTY_ANSWERS


def test_answer_between_empty_ones_ends_their_row(notes):
    for _ in range(5):
        notes.end(EMPTY)
        notes.end(EMPTY)
        notes.end(SERVED)
    assert notes.causes == []


def test_model_is_named_as_the_route_sends_it(notes):
    for session in ("s1", "s2"):
        notes.end(REFUSED, session, HAIKU)
    (trouble,) = notes.desk.watch.troubles()
    assert (trouble.model, trouble.detail) == ("GLM-4.5-Air", "HTTP 400, code 1210")


def test_failure_that_the_breaker_counts_is_reported_and_left_to_it(notes):
    """The service may be at fault after all, and be well again long before a probe is due."""
    odd = Outcome(status="error", kind=api.FAILING, trouble_cause=api.REFUSED, detail="HTTP 500")
    for _ in range(3):
        notes.end(odd)
    assert notes.causes == [api.FAILING]
    assert notes.notes.skip_for(notes.exchange()) is None


def test_requests_without_a_session_are_told_apart_by_their_tools(notes):
    for _ in range(3):
        notes.end(REFUSED, None)
    assert notes.notes.skip_for(notes.exchange(None)) is not None
    other = notes.exchange(None)
    body = {"model": SONNET, "tools": [{"name": "Bash", "input_schema": {}}], "messages": []}
    other.body = request_body.read(json.dumps(body).encode())
    assert notes.notes.skip_for(other) is None


@pytest.mark.parametrize(
    "outcome",
    [of_abandoned(None, is_stopping=False), of_abandoned(200, is_stopping=True), UNREACHABLE],
)
def test_probe_that_ends_without_a_verdict_lets_the_next_one_try(notes, outcome):
    for session in ("s1", "s2"):
        notes.end(REFUSED, session)
    notes.desk.later(minutes=15)
    probe = notes.exchange("s3")
    assert notes.notes.skip_for(probe) is None
    notes.notes.note_sent(probe)
    assert notes.notes.skip_for(notes.exchange("s4")) is not None
    probe.finish(outcome)
    assert notes.notes.skip_for(notes.exchange("s4")) is None


def test_streams_that_are_cut_again_and_again_are_reported(notes):
    for number in range(10):
        exchange = notes.exchange(f"s{number}")
        notes.notes.note_begun(exchange)
        exchange.finish(of_cut("the stream stopped before its end", 200))
    assert notes.causes == [api.FAILING]


def test_answer_that_has_begun_ends_skipping_though_its_client_leaves(notes):
    for session in ("s1", "s2"):
        notes.end(REFUSED, session)
    notes.desk.later(minutes=15)
    probe = notes.exchange("s3")
    notes.notes.note_sent(probe)
    notes.notes.note_begun(probe)
    probe.finish(of_abandoned(200, is_stopping=False))
    assert notes.causes == []


def test_success_with_another_model_in_place_of_the_routes_counts_for_the_route(notes):
    """A model whose name is unknown is sent under another one for the time being."""
    unknown = msgspec.structs.replace(SETTINGS.routes[0], send_model="GLM-4.7", context_tokens=1)
    for session in ("s1", "s2", "s3"):
        exchange = notes.exchange(session)
        refused = Outcome(status="error", http_status=400, trouble_cause=api.UNKNOWN_MODEL)
        before = exchange.decision
        exchange.send_to(
            Decision(backend=before.backend, reason="another name", route=unknown), after=refused
        )
        exchange.finish(SERVED)
        assert notes.notes.skip_for(notes.exchange(session)) is None
    assert notes.causes == []
    assert notes.desk.changes == []


def test_overflow_and_models_asked_for_by_name_say_nothing(notes):
    for number in range(10):
        notes.end(REFUSED, f"s{number}", "glm-5.3")
        exchange = notes.exchange(f"s{number}", "claude-opus-5-5")
        route = Route(match="sonnet", backend="zai", send_model="GLM-4.7")
        exchange.send_to(
            Decision(backend=SETTINGS.backend("zai"), reason=router.OVERFLOWS, route=route)
        )
        exchange.finish(REFUSED)
    assert notes.causes == []
    assert notes.desk.writes == 0


def test_what_belongs_on_claude_says_nothing(notes):
    for number in range(10):
        notes.end(Outcome(status="error", kind=api.OVERLOADED), f"s{number}", "claude-opus-5-5")
    assert notes.causes == []
    assert notes.desk.writes == 0


def test_request_that_was_never_routed_says_nothing(notes):
    exchange = Exchange(
        make_mocked_request("POST", "/v1/messages"), SETTINGS, (notes.notes.note_outcome,)
    )
    exchange.finish(Outcome(status="error", http_status=400))
    assert notes.desk.writes == 0


def test_requests_that_claude_serves_for_a_barred_backend_are_counted_by_cause(notes):
    for cause in (api.LIMIT, api.LIMIT, api.KEY_REFUSED, None):
        exchange = notes.exchange()
        before = exchange.decision
        claude = SETTINGS.backend(ANTHROPIC)
        exchange.send_to(Decision(backend=claude, reason="bypassed", route=before.route))
        notes.notes.note_stood_in(exchange, before, cause)
        exchange.finish(SERVED)
    counts = {each.cause: each.requests for each in notes.desk.watch.stand_ins()}
    assert counts == {api.LIMIT: 2, api.KEY_REFUSED: 1, "other": 1}
    assert notes.causes == []


def test_mode_in_which_claude_checks_every_request_is_reported(notes):
    for _ in range(20):
        notes.exchange(safeguards=[{"type": "dangerous_tool_use"}]).finish(SERVED)
    (trouble,) = notes.desk.watch.troubles()
    assert (trouble.cause, trouble.rule) == (api.KEPT, "safeguards")
    assert "plan mode" in cure_text(trouble)


def test_checks_beside_the_work_are_not_reported(notes):
    for _ in range(50):
        notes.exchange(stop_sequences=["</severity>"]).finish(SERVED)
    assert notes.causes == []
