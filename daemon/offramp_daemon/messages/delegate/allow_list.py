"""Keeps of a message only what its service takes, and puts into words what else carries meaning.

Most messages are fine as they came: a strict decoder finds that out without a step in Python for
each field. Only the others are taken apart. What becomes of a message depends on itself and on what
stands before it, so a growing conversation stays the same from turn to turn.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from offramp_daemon.messages import block_words, json_splice
from offramp_daemon.messages.delegate import account_email
from offramp_daemon.messages.history.message_edit import PLACEHOLDER, kind_of
from offramp_daemon.messages.history.thinking import THINKING
from offramp_daemon.messages.json_splice import Piece, SpliceError
from offramp_daemon.messages.request_body import ContentBlock, is_blank_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offramp_core.services.accepts import Accepts, Extra
    from offramp_daemon.messages.history.message_edit import Block

_MEDIA = ("image", "document")
_LARGEST_KEPT_BYTES = 64 * 1024
"""A longer block of a system prompt is not remembered."""
_Text = Annotated[str, msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one backend, with the model that is sent, takes."""

    accepts: Accepts
    more_fields: Extra = ()
    """Fields besides: `name` of the body, or `place.name` (`thinking.display`)."""
    more_blocks: Extra = ()
    images: bool = False
    documents: bool = False
    system_role: bool = False

    @property
    def takes_any_field(self) -> bool:
        """Whether fields are not looked at."""
        return self.more_fields == "all"

    def names(self, place: str, known: Iterable[str]) -> frozenset[str] | None:
        """List the names that may stand at `place`; None for any."""
        if self.more_fields == "all":
            return None
        lead = f"{place}."
        more = (name.removeprefix(lead) for name in self.more_fields if name.startswith(lead))
        return frozenset((*known, *more))

    def without_media(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """Leave out the kinds of blocks that the model does not take."""
        missing = {
            kind
            for kind, is_taken in (("image", self.images), ("document", self.documents))
            if not is_taken
        }
        return tuple(kind for kind in kinds if kind not in missing)

    def takes_block(self, kind: object) -> bool:
        """Whether the settings let blocks of that type through as they are."""
        return self.more_blocks == "all" or kind in self.more_blocks


class AllowList:
    """Applies what is wanted to messages; build one with `for_wanted`."""

    def __init__(self, wanted: Wanted) -> None:
        """Build the decoders."""
        self.wanted = wanted
        accepts = wanted.accepts
        self._cache_control = wanted.names("cache_control", accepts.cache_control)
        self._source = wanted.names("source", accepts.source)
        self._fields = {
            kind: wanted.names(kind, (*names, "type")) for kind, names in accepts.blocks.items()
        }
        self._message = wanted.names("message", accepts.message)
        self._positions = {
            "user": wanted.without_media(accepts.user_blocks),
            "assistant": accepts.assistant_blocks,
            "system": accepts.system_blocks,
        }
        self._in_results = wanted.without_media(accepts.result_blocks)
        self._decoder = msgspec.json.Decoder(_any_of(*self._message_types()))
        self._remembered = functools.lru_cache(maxsize=16)(self._fit_system_block)
        """For the blocks of system prompts, which clients send again with every request."""

    def is_clean(self, piece: Piece) -> bool:
        """Whether a message holds nothing but what is wanted."""
        try:
            self._decoder.decode(piece)
        except (ValueError, RecursionError):
            return False
        return True

    def members(self, parts: dict[str, Piece]) -> None:
        """Take from the members of a message what is not wanted."""
        if self._message is not None:
            for name in parts.keys() - self._message:
                del parts[name]

    def blocks(self, role: object, blocks: list[Block]) -> list[Piece]:
        """Reduce the blocks of a message to what is wanted of them, and to words.

        Those that another service made are put into words wherever they have any.
        """
        place = role if isinstance(role, str) else ""
        found = (self._block(*block[:2], place, is_cut=block.is_foreign) for block in blocks)
        return [block for block in found if block is not None]

    def _block(self, piece: Piece, seen: ContentBlock, role: str, *, is_cut: bool) -> Piece | None:
        """The block, reduced to known fields; or its words; None where it has no meaning here."""
        kind = seen.type
        if is_cut and kind in THINKING:
            return None
        is_known = not is_cut and self._is_known(piece, kind, self._positions.get(role, ()))
        if not is_known and not is_cut and self.wanted.takes_block(kind):
            return piece
        if is_known:
            found = self._reduced(piece, kind)
        else:
            words = block_words.words_for(piece)
            if not words:
                return None
            found = block_words.text_block(words)
        spoken = account_email.without(found, is_reminder=role not in ("user", "assistant"))
        return None if spoken is not found and _is_blank(spoken) else spoken

    def _is_known(self, piece: Piece, kind: object, known: tuple[str, ...]) -> bool:
        """Whether the block may stand where those of the `known` kinds may."""
        if kind not in known:
            return False
        if kind not in _MEDIA or self._source is None:
            return True
        return _source_type(piece) in self.wanted.accepts.source_types

    def _reduced(self, piece: Piece, kind: str) -> Piece:
        """The block with its known fields only."""
        before = json_splice.members(piece)
        names = self._fields.get(kind)
        after = {key: value for key, value in before.items() if names is None or key in names}
        keep_within(after, "cache_control", self._cache_control)
        if kind in _MEDIA:
            keep_within(after, "source", self._source)
        if kind == "tool_result" and json_splice.starts_with(after.get("content", b""), b"["):
            after["content"] = self._result_content(after["content"])
        return piece if after == before else json_splice.join_members(after)

    def _result_content(self, content: Piece) -> Piece:
        blocks = json_splice.items(content)
        kept = [block for block in map(self._result_block, blocks) if block is not None]
        if kept == blocks and kept:
            return content
        return json_splice.join_items(kept or [PLACEHOLDER])

    def _result_block(self, piece: Piece) -> Piece | None:
        kind = kind_of(piece)
        if self._is_known(piece, kind, self._in_results):
            return self._reduced(piece, str(kind))
        if self.wanted.takes_block(kind):
            return piece
        words = block_words.words_for(piece)
        return block_words.text_block(words) if words else None

    def system_block(self, piece: Piece) -> Piece | None:
        """Clean a block of the system prompt, or put it into words; None if it has none."""
        if len(piece) > _LARGEST_KEPT_BYTES:
            return self._fit_system_block(piece)
        raw = bytes(piece)
        fit = self._remembered(raw)
        return piece if fit == raw else fit

    def _fit_system_block(self, piece: Piece) -> Piece | None:
        found = self._block(piece, ContentBlock(type=kind_of(piece)), "system", is_cut=False)
        return None if found is None or _is_blank(found) else found

    def _message_types(self) -> tuple[type, ...]:
        """The strict types of messages, told apart by their role."""
        forbids = not self.wanted.takes_any_field
        results = self._block_types(self._in_results, ())
        roles = ["user", "assistant"] + (["system"] if self.wanted.system_role else [])
        types = []
        for role in roles:
            blocks = self._block_types(self._positions[role], results)
            content = _any_of(_Text, _list_of(blocks))
            types.append(
                msgspec.defstruct(
                    f"Strict_{role}",
                    [("content", content)],
                    tag_field="role",
                    tag=role,
                    forbid_unknown_fields=forbids,
                    gc=False,
                )
            )
        return tuple(types)

    def _block_types(self, kinds: tuple[str, ...], results: tuple[type, ...]) -> tuple[type, ...]:
        """The strict types of blocks of these kinds, told apart by their type."""
        forbids = not self.wanted.takes_any_field
        types: list[type] = []
        for kind in kinds:
            names = self._fields.get(kind) or frozenset(self.wanted.accepts.blocks[kind])
            fields: list[Any] = [
                _optional(name, self._field_type(kind, name, results))
                for name in sorted(names - {"type"})
            ]
            tag: dict[str, Any] = {"tag_field": "type", "tag": kind}
            if len(kinds) == 1:  # msgspec does without the tag where there is no other type
                tag = {}
                fields.insert(0, ("type", Literal.__getitem__((kind,))))
            types.append(
                msgspec.defstruct(
                    f"Strict_{kind}", fields, forbid_unknown_fields=forbids, gc=False, **tag
                )
            )
        return tuple(types)

    def _field_type(self, kind: str, name: str, results: tuple[type, ...]) -> Any:
        if name == "cache_control":
            names = self._cache_control
            fields = [_optional(each, msgspec.Raw) for each in sorted(names or ())]
            strict = msgspec.defstruct(
                "Strict_cache_control", fields, forbid_unknown_fields=names is not None
            )
            return _any_of(strict, None)
        if kind in _MEDIA and name == "source" and self._source is not None:
            return self._strict_source(self._source)
        if (kind, name) == ("tool_use", "input"):
            return dict[str, msgspec.Raw]
        if (kind, name) == ("tool_result", "content"):
            return _any_of(str, _list_of(results), None)
        return msgspec.Raw

    def _strict_source(self, names: frozenset[str]) -> type:
        """The strict type of where an image or a document comes from."""
        others = [_optional(name, msgspec.Raw) for name in sorted(names - {"type"})]
        kinds = Literal.__getitem__(self.wanted.accepts.source_types)
        return msgspec.defstruct(
            "Strict_source", [("type", kinds), *others], forbid_unknown_fields=True
        )


class _Source(msgspec.Struct, gc=False):
    type: Any = None


class _Sourced(msgspec.Struct, gc=False):
    source: _Source | None = None


_SOURCED = msgspec.json.Decoder(_Sourced)


def _source_type(piece: Piece) -> object:
    """The type of the source of an image or a document; None where it has none."""
    try:
        source = _SOURCED.decode(piece).source
    except (ValueError, RecursionError):
        return None
    return source.type if source else None


def _any_of(*types: Any) -> Any:
    return functools.reduce(operator.or_, types)


def _optional(name: str, kind: Any) -> tuple[str, Any, Any]:
    """Declare a field of a struct; `name` comes from the settings and may not be an identifier."""
    return f"field_{name.encode().hex()}", kind, msgspec.field(name=name, default=None)


def _list_of(types: tuple[type, ...]) -> Any:
    listed: Any = list.__class_getitem__(_any_of(*types))
    return Annotated[listed, msgspec.Meta(min_length=1)]


@functools.lru_cache(maxsize=64)
def for_wanted(wanted: Wanted) -> AllowList:
    """Find the allow-list, whose decoders are built once for all requests."""
    return AllowList(wanted)


def keep_within(parts: dict[str, Piece], name: str, names: frozenset[str] | None) -> None:
    """Keep of the object under `name` only the members of these names; None for all.

    What should be an object and is none goes.
    """
    if name not in parts or names is None:
        return
    try:
        before = json_splice.members(parts[name])
    except SpliceError:
        del parts[name]
        return
    after = {key: value for key, value in before.items() if key in names}
    if after != before:
        parts[name] = json_splice.join_members(after)


def _is_blank(block: Piece) -> bool:
    """Whether a block is a text of nothing."""
    return is_blank_json(json_splice.members(block).get("text", b"0"))
