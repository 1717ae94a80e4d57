"""Decides which blocks of a conversation a backend may not see, and reads refusals of them. Pure.

Signatures hold only at the backend that issued them. Whose a block is shows in the block itself
(Anthropic's signatures are long base64, its server tool ids begin with `srvtoolu_`), so nothing is
remembered between requests, and the same block is cut from every request alike: newer models bind
a thinking block to everything that stands before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from offramp_core.services import anthropic
from offramp_daemon.wire.content_coding import ContentCodingError, decode_all

if TYPE_CHECKING:
    from offramp_core.backend import OwnThinking
    from offramp_daemon.messages.request_body import ContentBlock, RequestBody

# Tuples, as what is looked up may be a JSON array or object, which no set can be asked for.
_THINKING = ("thinking", "redacted_thinking")
_SERVER_CALLS = ("server_tool_use", "mcp_tool_use")
_ERROR_LIMIT_BYTES = 64 * 1024
_REFUSALS = re.compile(
    rb"invalid\W+(?:signature|data)\W+in\W+(?:redacted_)?thinking"
    rb"|expected\W+(?:\w+\W+or\W+)?thinking"
    rb"|(?:thinking|latest assistant message).{0,200}cannot be modified",
    re.IGNORECASE | re.DOTALL,
)
"""Claude Code knows a refusal of thinking by such words as well. Measured on version 2.1.330."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """What goes: for each message that loses blocks, its index and the indices of those blocks.

    `breaks_tool_loop`: the last assistant turn, in the middle of a tool loop, no longer begins with
    the thinking that the `enabled` form of thinking demands there.
    """

    blocks: dict[int, frozenset[int]]
    breaks_tool_loop: bool = False


NOTHING = Cuts({})


def cuts_for(body: RequestBody, own: OwnThinking, *, strip_all: bool = False) -> Cuts:
    """The blocks of `body` that the backend which issues `own` signatures may not get."""
    blocks: dict[int, frozenset[int]] = {}
    foreign_calls: set[str] = set()
    for index, message in enumerate(body.messages):
        if not isinstance(message.content, list):
            continue
        gone = _foreign_blocks(
            message.content,
            own,
            foreign_calls,
            is_assistant=message.role == "assistant",
            strip_all=strip_all,
        )
        if gone:
            blocks[index] = gone
    if not blocks:
        return NOTHING
    return Cuts(blocks, breaks_tool_loop=_breaks_tool_loop(body, blocks))


def has_thinking(body: RequestBody) -> bool:
    """Whether `body` holds thinking blocks or asks for thinking."""
    if body.view and body.view.thinking and body.view.thinking.type != "disabled":
        return True
    return any(block.type in _THINKING for message in body.messages for block in message.blocks)


def is_refused(body: bytes, content_encoding: str) -> bool:
    """Whether the error in `body` says that a thinking block was foreign, missing or changed."""
    try:
        plain = decode_all(body, content_encoding, limit_bytes=_ERROR_LIMIT_BYTES)
    except ContentCodingError:
        return False
    return _REFUSALS.search(plain) is not None


def _foreign_blocks(
    blocks: list[ContentBlock],
    own: OwnThinking,
    foreign_calls: set[str],
    *,
    is_assistant: bool,
    strip_all: bool,
) -> frozenset[int]:
    """Indices of those of a message's `blocks` to cut; ids of cut calls go to `foreign_calls`."""
    gone: set[int] = set()
    for index, block in enumerate(blocks):
        kind = block.type
        if kind == "text" and block.tool_use_id is None:  # most blocks, and never foreign
            continue
        if is_assistant and kind in _THINKING:
            if strip_all or not _is_own_thinking(block, own):
                gone.add(index)
        elif is_assistant and kind in _SERVER_CALLS:
            if not _is_own_call(block.id, own):
                gone.add(index)
                if isinstance(block.id, str):
                    foreign_calls.add(block.id)
        elif kind == "tool_use":
            # Ids need not be unique across a conversation: the newest call is whose result comes.
            if isinstance(block.id, str):
                foreign_calls.discard(block.id)
        elif _is_foreign_result(block, own, foreign_calls):
            gone.add(index)
    return frozenset(gone)


def _is_own_thinking(block: ContentBlock, own: OwnThinking) -> bool:
    is_anthropic = _is_anthropic_signature(
        block.data if block.type == "redacted_thinking" else block.signature
    )
    match own:
        case "anthropic":
            return is_anthropic
        case "not-anthropic":
            return not is_anthropic and block.type != "redacted_thinking"
        case "none":
            return False
        case _:
            assert_never(own)


def _is_anthropic_signature(signature: object) -> bool:
    return isinstance(signature, str) and anthropic.SIGNATURE.fullmatch(signature) is not None


def _is_own_call(call_id: object, own: OwnThinking) -> bool:
    is_anthropic = isinstance(call_id, str) and call_id.startswith(anthropic.SERVER_CALL_IDS)
    return is_anthropic == (own == "anthropic")


def _is_foreign_result(block: ContentBlock, own: OwnThinking, foreign_calls: set[str]) -> bool:
    """Whether `block` answers a call that was cut, or one of a server tool from elsewhere.

    A server tool's result has a type of its own: `web_search_tool_result`, say.
    """
    if isinstance(block.tool_use_id, str) and block.tool_use_id in foreign_calls:
        return True
    kind = block.type
    if not isinstance(kind, str) or kind == "tool_result" or not kind.endswith("_tool_result"):
        return False
    return not _is_own_call(block.tool_use_id, own)


def _breaks_tool_loop(body: RequestBody, gone: dict[int, frozenset[int]]) -> bool:
    """Whether the last assistant turn was cut, calls a tool, and begins without thinking now."""
    last = next(
        (
            index
            for index in range(len(body.messages) - 1, -1, -1)
            if body.messages[index].role == "assistant"
        ),
        None,
    )
    if last is None or last not in gone:
        return False
    kept = [
        block for index, block in enumerate(body.messages[last].blocks) if index not in gone[last]
    ]
    calls_tool = any(block.type == "tool_use" for block in kept)
    return calls_tool and kept[0].type not in _THINKING
