"""Asking a backend about a key, against the simulator and against backends that misbehave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from daemon_process import free_port
from http_proxy import http_proxy
from proxy_harness import ZAI_KEY
from raw_upstream import Connection, json_answer, raw_upstream

from offramp_core.settings import Backend, Route, Secret, default_backends, default_routes
from offramp_daemon.upstream import key_check
from offramp_simulator import Simulator

if TYPE_CHECKING:
    from offramp_daemon.upstream.key_check import Verdict

KEY = Secret(ZAI_KEY)
WRONG = Secret("fedcba98765432100123456789abcdef.HgFeDcBa87654321")
COUNTED = {"input_tokens": 8}


def backend_at(url: str, **fields: object) -> Backend:
    return msgspec.structs.replace(default_backends()[1], base_url=url, **fields)


async def verdict_on(answer: bytes) -> Verdict:
    async def give(connection: Connection) -> None:
        await connection.write(answer)

    async with raw_upstream(give) as upstream:
        return await key_check.ask(backend_at(upstream.url), KEY)


async def test_simulated_zai_tells_a_right_key_from_a_wrong_one() -> None:
    async with Simulator.start(zai_key=ZAI_KEY, keep_requests=10) as simulator:
        backend = backend_at(simulator.zai_url)
        accepted = await key_check.ask(backend, KEY, routes=default_routes())
        refused = await key_check.ask(backend, WRONG)
        assert not simulator.leaks
    assert (accepted.outcome, accepted.text) == ("accepted", "Z.ai accepts this key.")
    assert refused.outcome == "refused"
    assert WRONG.reveal() not in refused.text


@pytest.mark.parametrize("auth", ["x-api-key", "bearer"])
async def test_request_is_small_holds_the_key_once_and_costs_no_tokens(auth) -> None:
    async def give(connection: Connection) -> None:
        await connection.write(json_answer(json.dumps(COUNTED).encode()))

    async with raw_upstream(give) as upstream:
        backend = backend_at(upstream.url + "/base", auth=auth)
        routes = (Route(match="x", backend="zai", send_model="their-model"),)
        assert (await key_check.ask(backend, KEY, routes=routes)).outcome == "accepted"
    (head,) = upstream.heads
    assert head.startswith(b"POST /base/v1/messages/count_tokens HTTP/1.1\r\n")
    assert head.count(ZAI_KEY.encode()) == 1
    (body,) = upstream.bodies
    assert json.loads(body)["model"] == "their-model"
    assert ZAI_KEY.encode() not in body


@pytest.mark.parametrize(
    ("status", "answer", "outcome", "part"),
    [
        ("200 OK", COUNTED, "accepted", "accepts"),
        ("401 Unauthorized", {"error": {"code": "1000", "message": "x"}}, "refused", "refuses"),
        ("401 Unauthorized", {}, "refused", "refuses"),
        ("403 Forbidden", {}, "refused", "refuses"),
        ("200 OK", {"code": 401, "msg": "token expired", "success": False}, "refused", "expired"),
        ("429 Too Many", {"error": {"code": "1308", "message": "limit"}}, "accepted", "limit"),
        ("429 Too Many", {"error": {"code": "1113", "message": "overdue"}}, "accepted", "overdue"),
        ("404 Not Found", {}, "unknown", "HTTP 404"),
        ("500 Error", {"error": {"code": "1234", "message": "down"}}, "unknown", "down"),
        ("200 OK", {"hello": "portal"}, "unknown", "HTTP 200"),
        ("302 Found", {}, "unknown", "HTTP 302"),
    ],
)
async def test_each_answer_means_what_it_says(status, answer, outcome, part) -> None:
    verdict = await verdict_on(json_answer(json.dumps(answer).encode(), status=status))
    assert verdict.outcome == outcome
    assert part in verdict.text


async def test_service_that_repeats_the_key_is_masked() -> None:
    error = {"error": {"code": "1000", "message": f"bad key {ZAI_KEY}"}}
    verdict = await verdict_on(json_answer(json.dumps(error).encode(), status="401 No"))
    assert verdict.outcome == "refused"
    assert ZAI_KEY not in verdict.text


async def test_service_that_is_not_there_leaves_the_key_unchecked() -> None:
    verdict = await key_check.ask(backend_at(f"http://127.0.0.1:{free_port()}"), KEY)
    assert verdict.outcome == "unknown"
    assert "could not be checked" in verdict.text
    assert "can't be reached" in verdict.text


async def test_service_that_breaks_off_leaves_the_key_unchecked() -> None:
    async def break_off(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        connection.writer.close()

    async with raw_upstream(break_off) as upstream:
        verdict = await key_check.ask(backend_at(upstream.url), KEY)
    assert (verdict.outcome, "broke off" in verdict.text) == ("unknown", True)


async def test_service_that_is_silent_is_given_up() -> None:
    async with http_proxy(("127.0.0.1", 9), is_mute=True) as mute:
        verdict = await key_check.ask(backend_at(mute.url), KEY, limit_s=0.2)
    assert verdict.outcome == "unknown"
    assert "within 0.2 s" in verdict.text
