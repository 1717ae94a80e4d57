"""Decides which blocks of a conversation a backend may not see, and reads refusals of them. Pure.

Signatures hold only at the backend that issued them. Whose a block is shows in the block itself
(Anthropic's signatures are long base64, its server tool ids begin with `srvtoolu_`; other services
have shapes of their own), so nothing is remembered between requests, and the same block is cut from
every request alike: newer models bind a thinking block to everything that stands before it.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from offramp_core.services import KNOWN, anthropic, service_of
from offramp_daemon.wire.content_coding import ContentCodingError, decode_all

if TYPE_CHECKING:
    from offramp_core.backend import OwnThinking
    from offramp_daemon.messages.request_body import ContentBlock, RequestBody

# Tuples, as what is looked up may be a JSON array or object, which no set can be asked for.
THINKING = ("thinking", "redacted_thinking")
SERVER_CALLS = ("server_tool_use", "mcp_tool_use")
_ERROR_LIMIT_BYTES = 64 * 1024
_REFUSALS = re.compile(
    # Invalid `signature` in `thinking` block; the same of the data of a redacted one.
    rb"(?:signature|data)\W+(?:\w+\W+){0,2}?in\W+(?:\w+\W+)?(?:redacted_)?thinking"
    # messages.1.content.0.thinking.signature: Field required; also of another type, or too short.
    rb"|thinking\W+(?:signature|data|thinking)\b.{0,40}(?:field required|should|must)"
    # Expected `thinking` or `redacted_thinking`, but found `tool_use`.
    rb"|expected\W+(?:\w+\W+(?:or|and)\W+)?(?:redacted_)?thinking"
    rb"|(?:start|begin)s?\W+with\W+(?:an?\W+)?(?:\w+\W+)?thinking\W+blocks?\b"
    # `thinking` blocks in the latest assistant message cannot be modified.
    rb"|(?:thinking\W(?:.{0,40}\W)?blocks?\b|latest assistant message)"
    rb".{0,200}(?:(?:can\W?not|can't|can not|must not|may not)\W+be\W+(?:modified|changed|altered)"
    rb"|must remain)"
    # Of a thinking block, in other words: its signature is invalid, does not match, has expired.
    rb"|thinking\W+blocks?\b.{0,100}(?:invalid|mismatch|(?:not|n't) (?:match|valid|verif)|expired"
    rb"|bound|verification failed)"
    rb"|(?:invalid|mismatch|(?:not|n't) (?:match|valid|verif)|expired|verification failed)"
    rb"[^.]{0,60}thinking\W+blocks?\b",
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


@dataclass(frozen=True, slots=True)
class Signer:
    """A backend as the signer of thinking, and what tells its blocks from those of others."""

    own: OwnThinking
    shape: re.Pattern[str] | None = None
    """Of its signatures, where that is known and no other delegate in use signs alike."""
    foreign: tuple[re.Pattern[str], ...] = ()
    """The shapes of other services' signatures, as far as they are known."""
    takes_unmarked: bool = True
    """Whether a block that shows no signer can only be its own: no other delegate is in use."""


NO_SIGNER = Signer("none")


@functools.lru_cache(maxsize=64)
def signer_of(backend: str, own: OwnThinking, delegates: frozenset[str] | None = None) -> Signer:
    """Describe the backend of that name; `delegates` are all that the settings can lead to.

    None: it is the only one. It is a function of the settings, so that the same blocks are cut
    from every request of a conversation.
    """
    shape = service_of(backend).signature
    others = (delegates or frozenset()) - {backend}
    is_shared = any(service_of(other).signature == shape for other in others)
    foreign = {service.signature for service in KNOWN} - {"", shape}
    return Signer(
        own=own,
        shape=re.compile(shape) if shape and not is_shared else None,
        foreign=tuple(re.compile(each) for each in sorted(foreign)),
        takes_unmarked=not others,
    )


def cuts_for(body: RequestBody, own: Signer, *, strip_all: bool = False) -> Cuts:
    """The blocks of `body` that the backend which is the signer `own` may not get."""
    blocks: dict[int, frozenset[int]] = {}
    foreign_calls: set[str] = set()
    for index, message in enumerate(body.messages):
        if not isinstance(message.content, list):
            continue
        strips = strip_all or message.role != "assistant"
        gone = _foreign_blocks(message.content, own, foreign_calls, strips=strips)
        if gone:
            blocks[index] = gone
    if not blocks:
        return NOTHING
    return Cuts(blocks, breaks_tool_loop=_breaks_tool_loop(body, blocks))


def lacks_thinking(body: RequestBody, signer: Signer) -> bool:
    """Whether an answer calls a tool without thinking of `signer` before the call."""
    for message in body.messages:
        if message.role != "assistant":
            continue
        has_own = False
        for block in message.blocks:
            if block.type in THINKING:
                has_own = has_own or is_own_thinking(block, signer)
            elif block.type == "tool_use" and not has_own:
                return True
    return False


def has_thinking(body: RequestBody) -> bool:
    """Whether `body` holds thinking blocks or asks for thinking."""
    if body.view and body.view.thinking and body.view.thinking.type != "disabled":
        return True
    return any(block.type in THINKING for message in body.messages for block in message.blocks)


def is_refused(body: bytes, content_encoding: str) -> bool:
    """Whether the error in `body` says that a thinking block was foreign, missing or changed."""
    try:
        plain = decode_all(body, content_encoding, limit_bytes=_ERROR_LIMIT_BYTES)
    except ContentCodingError:
        return False
    return _REFUSALS.search(plain) is not None


def _foreign_blocks(
    blocks: list[ContentBlock],
    own: Signer,
    foreign_calls: set[str],
    *,
    strips: bool,
) -> frozenset[int]:
    """Indices of those of a message's `blocks` to cut; ids of cut calls go to `foreign_calls`.

    `strips`: all thinking goes, as it does wherever the message is not an answer of a model.
    """
    gone: set[int] = set()
    for index, block in enumerate(blocks):
        kind = block.type
        if kind == "text" and block.tool_use_id is None:  # most blocks, and never foreign
            continue
        if kind in THINKING:
            if strips or not is_own_thinking(block, own):
                gone.add(index)
        elif kind in SERVER_CALLS:
            if not _is_own_call(block.id, own.own):
                gone.add(index)
                if isinstance(block.id, str):
                    foreign_calls.add(block.id)
        elif kind == "tool_use":
            # Ids need not be unique across a conversation: the newest call is whose result comes.
            if isinstance(block.id, str):
                foreign_calls.discard(block.id)
        elif _is_foreign_result(block, own.own, foreign_calls):
            gone.add(index)
    return frozenset(gone)


def is_own_thinking(block: ContentBlock, signer: Signer) -> bool:
    """Whether a block of thinking is of the backend that is `signer`."""
    own = signer.own
    is_anthropic = _is_anthropic_signature(
        block.data if block.type == "redacted_thinking" else block.signature
    )
    match own:
        case "anthropic":
            return is_anthropic
        case "not-anthropic":
            if is_anthropic or block.type == "redacted_thinking":
                return False
            return _shows(block.signature, signer)
        case "none":
            return False
        case _:
            assert_never(own)


def _shows(signature: object, signer: Signer) -> bool:
    """Whether a signature that is not Anthropic's is of `signer`."""
    if isinstance(signature, str) and signature:
        if signer.shape is not None and signer.shape.fullmatch(signature):
            return True
        if any(shape.fullmatch(signature) for shape in signer.foreign):
            return False
    return signer.takes_unmarked


def _is_anthropic_signature(signature: object) -> bool:
    return isinstance(signature, str) and anthropic.SIGNATURE.fullmatch(signature) is not None


def _is_own_call(call_id: object, own: OwnThinking) -> bool:
    is_anthropic = (
        isinstance(call_id, str) and anthropic.SERVER_CALL_ID.fullmatch(call_id) is not None
    )
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
    return calls_tool and kept[0].type not in THINKING
