"""Reading a `/v1/messages` body leniently: what it says, wherever its parts have the right type.

Whether it is allowed to say so is for the rules of each service.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from offramp_simulator.service import faults

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request's body, parsed and as it came."""

    body: JsonObject
    raw: bytes

    @property
    def model(self) -> str:
        """The model asked for; empty where it is not text."""
        model = self.body.get("model")
        return model if isinstance(model, str) else ""

    @property
    def messages(self) -> list[JsonObject]:
        """The messages that are objects."""
        messages = self.body.get("messages")
        return _objects(messages)

    @property
    def tools(self) -> list[JsonObject]:
        """The tools that are objects."""
        return _objects(self.body.get("tools"))

    @property
    def is_stream(self) -> bool:
        """Whether the answer is to come as SSE."""
        return self.body.get("stream") is True

    @property
    def thinking_type(self) -> str:
        """`enabled`, `adaptive` or `disabled`."""
        thinking = self.body.get("thinking")
        kind = thinking.get("type") if isinstance(thinking, dict) else None
        return kind if isinstance(kind, str) else "disabled"

    @property
    def shows_thinking(self) -> bool:
        """Whether thinking comes as text rather than as a bare signature."""
        thinking = self.body.get("thinking")
        return not (isinstance(thinking, dict) and thinking.get("display") == "omitted")

    @property
    def has_history(self) -> bool:
        """Whether an assistant message is part of it."""
        return any(message.get("role") == "assistant" for message in self.messages)

    @property
    def estimated_tokens(self) -> int:
        """Four bytes a token, and at least one."""
        return max(1, len(self.raw) // 4)

    def last_user_text(self) -> str:
        """The text of the last user message, tool results left out."""
        users = [message for message in self.messages if message.get("role") == "user"]
        return text_of(users[-1]) if users else ""

    def last_tool_result(self) -> str | None:
        """The text of the last tool result, if the last user message holds one."""
        users = [message for message in self.messages if message.get("role") == "user"]
        results = _results(users[-1]) if users else []
        return _result_text(results[-1]) if results else None

    def tool_asks(self) -> list[faults.ToolAsk]:
        """The calls that the current prompt asks for and that are still to be made, in order."""
        prompt, rounds = self._current_prompt()
        asks = faults.phrases(prompt)
        wanted = faults.Faults.gather(prompt, (), ()) if "[[sim:" in prompt else faults.Faults()
        return [*asks, *wanted.tool_asks()][rounds:]

    def _current_prompt(self) -> tuple[str, int]:
        """The text of the last user message that is more than tool results, and the calls since."""
        calls = 0
        for message in reversed(self.messages):
            role, text = message.get("role"), text_of(message)
            if role == "assistant":
                calls += sum(block.get("type") == "tool_use" for block in blocks_of(message))
            elif role == "user" and (not _results(message) or faults.phrases(text)):
                return text, calls
        return "", calls

    def digest_before(self, position: int) -> bytes:
        """A digest of everything before message `position`.

        Cache marks, the billing block and tools that are only loaded later are left out.
        """
        system = [
            block
            for block in blocks_of({"content": self.body.get("system")})
            if not str(block.get("text", "")).startswith("x-anthropic-billing-header")
        ]
        earlier = [[one.get("role"), blocks_of(one)] for one in self.messages[:position]]
        tools = [tool for tool in self.tools if tool.get("defer_loading") is not True]
        whole = [system, tools, earlier]
        text = json.dumps(_without_cache_marks(whole), sort_keys=True)
        return hashlib.sha256(text.encode()).digest()


def blocks_of(message: JsonObject) -> list[JsonObject]:
    """A message's content as blocks; a plain text counts as one text block."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return _objects(content)


def text_of(message: JsonObject) -> str:
    """The text blocks of a message, joined by newlines."""
    return "\n".join(
        block["text"]
        for block in blocks_of(message)
        if block.get("type") == "text" and isinstance(block.get("text"), str)
    )


def _results(message: JsonObject) -> list[JsonObject]:
    return [block for block in blocks_of(message) if block.get("type") == "tool_result"]


def _result_text(result: JsonObject) -> str:
    return text_of({"content": result.get("content")})


def _objects(values: object) -> list[JsonObject]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _without_cache_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_cache_marks(one) for key, one in value.items() if key != "cache_control"
        }
    if isinstance(value, list):
        return [_without_cache_marks(one) for one in value]
    return value
