"""The status line of a running daemon, asked as `offramp statusline` does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from control_harness import Commands
from patience import PATIENCE_S
from proxy_harness import settings_for
from quota_headers_samples import plan_headers
from raw_client import OPUS, SONNET, post, read_to_end
from raw_upstream import MESSAGE, Connection, json_answer, raw_upstream
from running_app import running_app

GLM = MESSAGE.replace(b"claude-opus-4-6", b"glm-4.7")
SESSION = "7d2f3c1e-0000-4000-8000-000000000001"
OTHER = "7d2f3c1e-0000-4000-8000-000000000002"


async def glm(connection: Connection) -> None:
    await connection.write(json_answer(GLM))


async def spent(connection: Connection) -> None:
    body = b'{"error":{"code":"1308","message":"Usage limit reached for 5 hour."}}'
    await connection.write(json_answer(body, status="429 Too Many Requests"))


async def claude(connection: Connection) -> None:
    now = datetime.now(UTC)
    told = plan_headers(0.1, 0.4, now + timedelta(hours=4), now + timedelta(days=3.5))
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    await connection.write(json_answer(MESSAGE, headers=head.encode()))


@contextlib.asynccontextmanager
async def running(home, zai=glm, **fields):
    async with raw_upstream(claude) as anthropic, raw_upstream(zai) as delegate:
        settings = settings_for(anthropic.url, delegate.url, **fields)
        async with running_app(home, settings) as app:
            await Commands(app.paths).until_there()
            yield app


async def ask(url: str, body: bytes = SONNET, session: str = SESSION, agent: str = "") -> None:
    headers = b"Connection: close\r\nx-claude-code-session-id: %s\r\n" % session.encode()
    headers += b"Authorization: Bearer sk-ant-oat01-not-a-real-login\r\n"
    if agent:
        headers += b"x-claude-code-agent-id: %s\r\n" % agent.encode()
    assert b"200 OK" in await read_to_end(url, post(b"/v1/messages", body, headers))


async def line(app, said: object = None, query: str = "columns=0&colour=0") -> str:
    """What the daemon answers; `said` is JSON, or bytes as they are."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    reader, writer = await asyncio.open_unix_connection(app.paths.control_socket)
    try:
        head = f"POST /status-line?{query} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.0 200")
    return answer.partition(b"\r\n\r\n")[2].decode()


async def line_with(app, text: str, said: object = None) -> str:
    """The line once it holds `text`: the record and the log come moments after the answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if text in (found := await line(app, said)):
                return found
            await asyncio.sleep(0.05)


async def test_each_window_hears_of_its_own_session(tmp_path):
    async with running(tmp_path) as app:
        await ask(app.url)
        await ask(app.url, OPUS, OTHER)
        first = await line_with(app, "Sonnet → GLM-4.7", {"session_id": SESSION})
        second = await line_with(app, "Opus → Claude", {"session_id": OTHER})
    assert "Opus" not in first
    assert "Sonnet" not in second


async def test_subagent_counts_as_its_session(tmp_path):
    async with running(tmp_path) as app:
        await ask(app.url, OPUS)
        await ask(app.url, agent="agent-1")
        assert await line_with(app, "Sonnet → GLM-4.7", {"session_id": SESSION})


async def test_week_and_plan_are_told_with_it(tmp_path):
    async with running(tmp_path) as app:
        await ask(app.url)
        await ask(app.url, OPUS)
        found = await line_with(app, "week: Claude 50%, Z.ai 50%", {"session_id": SESSION})
    assert "Claude week 40%, on pace for 80%" in found


ANSWERED = {"current_usage": {"input_tokens": 31852, "output_tokens": 50}}
CLEARED = {"current_usage": None}


@pytest.mark.parametrize(
    ("said", "is_missed"),
    [
        ({"session_id": OTHER, "cost": {"total_api_duration_ms": 696}}, True),
        # After /clear.
        (
            {
                "session_id": OTHER,
                "cost": {"total_api_duration_ms": 696},
                "context_window": CLEARED,
            },
            False,
        ),
        # Resumed, and nothing asked yet.
        ({"session_id": OTHER, "cost": {"total_api_duration_ms": 0}}, False),
        ({"session_id": OTHER}, False),
        ({"session_id": OTHER, "cost": {"total_api_duration_ms": 5}, "context_window": 7}, False),
        ({"cost": {"total_api_duration_ms": 696}}, False),
        ({"session_id": SESSION, "cost": {"total_api_duration_ms": 696}}, False),
    ],
)
async def test_session_is_missed_only_where_it_has_had_answers(tmp_path, said, is_missed):
    async with running(tmp_path) as app:
        await ask(app.url)
        await line_with(app, "GLM-4.7", {"session_id": SESSION})
        found = await line(app, {"context_window": ANSWERED, **said})
    assert ("no request of this session seen" in found) == is_missed


async def test_spent_delegate_is_named_with_the_end_of_it(tmp_path):
    async with running(tmp_path, spent) as app:
        await ask(app.url)
        found = await line_with(app, "Sonnet → Claude: Z.ai quota used up", {"session_id": SESSION})
    assert "·" in found


async def test_restarted_daemon_reads_the_session_from_the_log(tmp_path):
    async with running(tmp_path) as app:
        await ask(app.url, OPUS)
        await ask(app.url)
        await line_with(app, "GLM-4.7", {"session_id": SESSION})
    async with running(tmp_path) as app:
        assert await line_with(app, "Sonnet → GLM-4.7", {"session_id": SESSION})
        await ask(app.url, OPUS)
        assert await line_with(app, "Opus → Claude", {"session_id": SESSION})


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"session_id": 1e999}'),
        b'{"session_id": ["x"], "cost": 7}',
        b'{"session_id": null, "cost": {"total_api_duration_ms": "x"}}',
        b'{"session_id": "\\ud800"}',
    ],
)
async def test_what_is_no_json_of_claude_codes_still_gets_a_line(tmp_path, said):
    async with running(tmp_path) as app:
        assert (await line(app, said)).startswith("Offramp: delegation on")


@pytest.mark.parametrize("query", ["", "columns=x", "columns=-1", "columns=999999999", "colour=2"])
async def test_odd_questions_get_the_whole_line(tmp_path, query):
    async with running(tmp_path) as app:
        assert await line(app, {}, query) == "Offramp: delegation on"


async def test_damaged_log_and_unreadable_folder_leave_the_rest(tmp_path):
    folder = tmp_path / "data" / "log"
    folder.mkdir(parents=True)
    (folder / "requests-2026-11.jsonl").write_bytes(b"\xff\n{torn\n" * 10)
    async with running(tmp_path) as app:
        await ask(app.url)
        assert await line_with(app, "Sonnet → GLM-4.7", {"session_id": SESSION})


async def test_quota_probe_of_claude_code_is_not_who_served_last(tmp_path):
    probe = SONNET.replace(
        b'"max_tokens": 9, "messages": []',
        b'"max_tokens": 1, "messages": [{"role": "user", "content": "quota"}]',
    )
    async with running(tmp_path) as app:
        await ask(app.url)
        await ask(app.url, probe)
        await line_with(app, "Claude", {"session_id": SESSION})
        assert await line_with(app, "Sonnet → GLM-4.7", {"session_id": SESSION})
