"""Sample traffic for the demo: an invented past, and a client that keeps sending real requests.

The requests go through the daemon like anyone's, to the simulator behind it (whose faults they
ask for), so that the console, the log and the charts move. It knows only the daemon's URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from offramp_cli.demo.sample_history import history, write_history
from offramp_daemon.messages.answers.errors import RequestFailedError
from offramp_daemon.upstream.client import Upstream
from offramp_daemon.upstream.errors import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from offramp_daemon.upstream.answer import Answer

__all__ = ["history", "play", "write_history"]

OPUS, SONNET, HAIKU = "claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5"

_TOKEN = "sk-ant-oat01-demo-only-not-a-real-token-0000000000000000wigAA"
_MAX_TOKENS = 8192
_CONNECT_S = 5.0
_SILENCE_S = 60.0
_ERROR_STATUS = 400
_PIECES_BEFORE_CANCEL = 12
_QUICK_ROUNDS = 2
_SLOWEST = 48

_PROMPTS = {
    OPUS: (
        "Review the session handling for security holes",
        "Which index would make this query cheap?",
        "Plan the move from polling to events",
        "Why does this lock order deadlock?",
    ),
    SONNET: (
        "Write hello world in Python",
        "Add a PATCH endpoint for user settings",
        "Write unit tests for the week arithmetic",
        "Split this module by reason to change",
    ),
    HAIKU: (
        "List the files that import the old client",
        "Summarise the changelog in two lines",
        "Rename the variable in this file",
        "Which tests touch the database?",
    ),
}
_READ_TOOL = {
    "name": "Read",
    "description": "Reads a file",
    "input_schema": {
        "type": "object",
        "properties": {"file_path": {"type": "string"}},
        "required": ["file_path"],
    },
}
_SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=demo; cch=00000;"},
    {
        "type": "text",
        "text": "You are a careful programmer. " * 60,
        "cache_control": {"type": "ephemeral"},
    },
]

Message = dict[str, Any]


async def play(
    base_url: str, *, pace_s: float, stop: asyncio.Event, seed: int = 0, haste: float = 1.0
) -> None:
    """Send requests to the daemon at `base_url` until `stop` is set, about `pace_s` apart.

    `haste` is how many times faster than a real model the simulator shall answer. A request that
    fails is passed over. Returns at once when `stop` is set, whatever is under way.
    """
    async with Upstream() as upstream:
        player = Player(base_url, upstream, random.Random(seed), pace_s=pace_s, haste=haste)
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(player.run(), name="sample-traffic")
            await stop.wait()
            playing.cancel()


def slowness(rounds: int) -> int:
    """How many times longer the pauses are once all scenes have been played so often.

    Somebody who has just started the demo should see it move. One who leaves it running should not
    find that today's requests outnumber those of the whole invented week before.
    """
    return min(1 << max(0, rounds - _QUICK_ROUNDS), _SLOWEST)


class Player:
    """Plays one scene after another: a conversation, a tool loop, a cancel and so on."""

    def __init__(
        self,
        base_url: str,
        upstream: Upstream,
        dice: random.Random,
        *,
        pace_s: float,
        haste: float,
    ) -> None:
        """Send through `upstream`; `dice` chooses prompts and pauses."""
        self._base_url = base_url
        self._upstream = upstream
        self._pace_s = pace_s
        self._haste = haste
        self._dice = dice
        self._slowness = 1
        self._session_id = ""

    async def run(self) -> None:
        """Play the scenes in turn, for ever."""
        scenes: tuple[Callable[[], Awaitable[None]], ...] = (
            lambda: self._converse((SONNET,)),
            lambda: self._ask_once(HAIKU, is_stream=False),
            lambda: self._converse((OPUS, OPUS)),
            lambda: self._use_tool(SONNET),
            self._count,
            lambda: self._ask_once(HAIKU, is_stream=True),
            lambda: self._converse((SONNET, SONNET, SONNET)),
            lambda: self._use_tool(OPUS),
            self._cancel,
            lambda: self._converse((OPUS, SONNET, HAIKU)),
            self._meet_fault,
        )
        for number, scene in enumerate(itertools.cycle(scenes)):
            round_number, place = divmod(number, len(scenes))
            self._slowness = slowness(round_number)
            if place == 0:
                # In a session for ever, no conversation would begin that the autopilot can place.
                self._session_id = str(uuid.uuid4())
            try:
                await scene()
            except (RequestFailedError, UpstreamError, OSError, ValueError, LookupError, TypeError):
                # No answer, or one that is not a message: the demo's next request may fare better.
                await self._pause()

    async def _converse(self, models: tuple[str, ...]) -> None:
        """One conversation, its thinking kept, with one model after another."""
        messages: list[Message] = []
        for model in models:
            messages.append(self._prompt(model))
            answer = await self._send(_body(model, messages))
            if answer is None:
                return
            messages.append(answer)

    async def _ask_once(self, model: str, *, is_stream: bool) -> None:
        body = _body(model, [self._prompt(model)], is_stream=is_stream)
        del body["thinking"]
        await self._send(body)

    async def _use_tool(self, model: str) -> None:
        """A tool loop: the model asks for a file, gets it and says what it saw."""
        path = json.dumps({"file_path": "/project/main.py"})
        messages = [self._prompt(model, f"use the tool Read with {path}")]
        for _ in range(2):
            answer = await self._send(_body(model, messages, tools=[_READ_TOOL]))
            if answer is None:
                return
            messages.append(answer)
            calls = [block for block in answer["content"] if block["type"] == "tool_use"]
            if not calls:
                return
            results = [
                {"type": "tool_result", "tool_use_id": call["id"], "content": "print('hello')"}
                for call in calls
            ]
            messages.append({"role": "user", "content": results})

    async def _count(self) -> None:
        body = _body(SONNET, [self._prompt(SONNET)])
        counted = {key: body[key] for key in ("model", "messages", "system")}
        async with self._post("/v1/messages/count_tokens?beta=true", counted) as answer:
            await _read_whole(answer)
        await self._pause()

    async def _cancel(self) -> None:
        """Someone presses Esc in mid-stream."""
        prompt = self._prompt(OPUS, "[[sim:events=400]]")
        async with self._post("/v1/messages?beta=true", _body(OPUS, [prompt])) as answer:
            pieces = 0
            async for _ in _lines(answer):
                pieces += 1
                if pieces > _PIECES_BEFORE_CANCEL:
                    break
        await self._pause()

    async def _meet_fault(self) -> None:
        """A request that goes wrong: overload, a limit, a stream that breaks."""
        model, fault = self._dice.choice(
            ((OPUS, "status=529"), (SONNET, "zai=1305"), (SONNET, "cut"), (HAIKU, "error-event"))
        )
        await self._send(_body(model, [self._prompt(model, f"[[sim:{fault}]]")]))

    async def _send(self, body: dict[str, Any]) -> Message | None:
        """The answer as an assistant message; None where there is none to go on with."""
        try:
            async with self._post("/v1/messages?beta=true", body) as answer:
                if answer.status >= _ERROR_STATUS:
                    await _read_whole(answer)
                    return None
                if not body["stream"]:
                    whole = json.loads(await _read_whole(answer))
                    return {"role": "assistant", "content": whole["content"]}
                return await _read_stream(answer)
        finally:
            await self._pause()

    @contextlib.asynccontextmanager
    async def _post(self, path: str, body: dict[str, Any]) -> AsyncIterator[Answer]:
        """The answer, which is closed in the end."""
        headers = {
            "authorization": f"Bearer {_TOKEN}",
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "oauth-2025-04-20,interleaved-thinking-2025-05-14",
            "user-agent": "claude-cli/2.1.330 (external, cli)",
            "x-app": "cli",
            "x-claude-code-session-id": self._session_id,
        }
        user = {"device_id": "0" * 64, "account_uuid": "", "session_id": self._session_id}
        whole = {**body, "metadata": {"user_id": json.dumps(user)}} if "stream" in body else body
        answer = await self._upstream.send(
            "POST",
            self._base_url,
            path,
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            body=json.dumps(whole).encode(),
            connect_timeout_s=_CONNECT_S,
        )
        try:
            yield answer
        finally:
            answer.close()

    def _prompt(self, model: str, wish: str = "") -> Message:
        """A prompt for that tier; the simulator's orders stand in a reminder before it.

        They set a pace that looks like a model at work; `wish` adds to them.
        """
        begin_s = self._dice.uniform(0.2, 1.2) / self._haste
        each_s = self._dice.uniform(0.02, 0.06) / self._haste
        orders = f"[[sim:first-byte={begin_s:.4f}]] [[sim:slow={each_s:.4f}]] {wish}"
        texts = (
            f"<system-reminder>{orders}</system-reminder>",
            self._dice.choice(_PROMPTS[model]),
        )
        return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}

    async def _pause(self) -> None:
        await asyncio.sleep(self._pace_s * self._slowness * self._dice.uniform(0.5, 1.5))


@dataclass(slots=True)
class _StreamedMessage:
    """Puts an answer together from its events."""

    blocks: list[dict[str, Any]] = field(default_factory=list)
    arguments: dict[int, str] = field(default_factory=dict)
    is_whole: bool = False

    def take(self, event: dict[str, Any]) -> None:
        """Add one event."""
        match event.get("type"):
            case "content_block_start":
                self.blocks.append(dict(event["content_block"]))
            case "content_block_delta":
                self._extend(event["index"], event["delta"])
            case "content_block_stop" if event["index"] in self.arguments:
                block = self.blocks[event["index"]]
                block["input"] = json.loads(self.arguments[event["index"]])
            case "message_stop":
                self.is_whole = True

    def _extend(self, index: int, delta: dict[str, Any]) -> None:
        block = self.blocks[index]
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "input_json_delta":
                self.arguments[index] = self.arguments.get(index, "") + delta["partial_json"]


async def _read_stream(answer: Answer) -> Message | None:
    """The whole of a streamed message; None if it broke off."""
    message = _StreamedMessage()
    async for event in _events(answer):
        message.take(event)
    return {"role": "assistant", "content": message.blocks} if message.is_whole else None


async def _events(answer: Answer) -> AsyncIterator[dict[str, Any]]:
    async for line in _lines(answer):
        if line.startswith(b"data:"):
            yield json.loads(line.removeprefix(b"data:"))


async def _lines(answer: Answer) -> AsyncIterator[bytes]:
    rest = b""
    while piece := await _read(answer):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line


async def _read_whole(answer: Answer) -> bytes:
    body = b""
    while piece := await _read(answer):
        body += piece
    return body


async def _read(answer: Answer) -> bytes:
    async with asyncio.timeout(_SILENCE_S):
        return await answer.read()


def _body(
    model: str,
    messages: list[Message],
    *,
    is_stream: bool = True,
    tools: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "model": model,
        "max_tokens": _MAX_TOKENS,
        "stream": is_stream,
        "thinking": {"type": "adaptive"},
        "system": _SYSTEM,
        "messages": messages,
        **({"tools": tools} if tools else {}),
    }
