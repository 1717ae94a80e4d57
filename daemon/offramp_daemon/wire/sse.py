"""Finds, in a stream of server-sent events, the few that a meter must read.

Reads as the WHATWG standard says (LF, CRLF and CR line ends, comments, `data` over several lines,
a byte order mark), whatever the chunk borders. It runs on the event loop for every chunk of every
answer, so events that can hold nothing of interest, blank lines and comments are passed over by a
search in C, never split or parsed; the others are paid from a budget, and a stream that has none
left is not read on. Keys and types are looked for as they are usually written: an event that
spells them with JSON escapes is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from offramp_daemon.wire.work_budget import (
    EVENT_COST,
    JSON_BYTE_COST,
    LINE_END_COST,
    LIVE,
    OverBudgetError,
    WorkBudget,
)

EVENT_LIMIT_BYTES = 1024 * 1024
"""A longer event is passed over, so that a stream without a blank line can't fill the memory."""

OnEvent = Callable[[str, bytes], None]
"""Called with an event's name ("" without one) and its data."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LF = b"\n"
_BLANK = b"\n\n"
_CR_TO_LF = bytes.maketrans(b"\r", _LF)
_MARKS = (b"message_", b"error", b'"usage"')
"""What stands in events of interest: in usage, the beginning or end of a message, or an error."""

_MOST_PASSED_OVER = 16
"""So many events of a chunk are passed over one by one, the others by a search for what matters."""

_RUN_OF_DELTAS = re.compile(
    rb"(?:event.*+\n"
    rb'data: ?+\{(?:"index": ?+\d++, ?+)?"type": ?+"content_block_delta",.*+\n\r?+\n)+'
)
"""Matches whole events whose JSON is of that type and nothing else: what streams mostly consist of.

A lone CR is not looked for: JSON strings can't hold one, and no service ends lines in two ways. No
group is possessive: early releases of Python 3.11 keep what a failed last round had taken.
"""


class EventReader:
    """Takes the bytes of a stream and hands on the events of interest, in order.

    An event whose blank line never came (the end of the body) is handed on by `finish`, although
    the standard drops it: a torn one is not JSON, and a whole one was sent.
    """

    __slots__ = (
        "_budget",
        "_head",
        "_is_after_cr",
        "_is_at_border",
        "_is_paid_for",
        "_is_skipping",
        "_on_event",
        "_on_give_up",
        "_pending",
        "is_readable",
    )

    def __init__(
        self,
        on_event: OnEvent,
        *,
        budget: WorkBudget | None = None,
        on_give_up: Callable[[], None] = lambda: None,
    ) -> None:
        """Events of interest go to `on_event`.

        What they cost is taken from `budget`, which whoever received the bytes has filled; without
        one, from one of its own. `on_give_up` is called once if that is used up.
        """
        self.is_readable = True
        """False once the budget is used up; nothing is read from then on."""
        self._on_event = on_event
        self._on_give_up = on_give_up
        self._is_paid_for = budget is not None
        self._budget = WorkBudget(LIVE) if budget is None else budget
        self._head: bytes | None = b""
        self._pending = bytearray()
        self._is_at_border = False
        self._is_after_cr = False
        self._is_skipping = False

    def feed(self, chunk: bytes) -> None:
        """Read on."""
        if self._is_at_border and (
            _RUN_OF_DELTAS.fullmatch(chunk)
            or (chunk.endswith((b"\n\n", b"\r\n\r\n")) and not _is_of_interest(chunk))
        ):
            return
        if self.is_readable:
            try:
                self._read(chunk)
            except OverBudgetError:
                self._give_up()

    @property
    def held_bytes(self) -> int:
        """How much is kept of an event that is not whole yet."""
        return len(self._pending)

    def finish(self) -> None:
        """Hand on what is left."""
        try:
            self._end_pending()
        except OverBudgetError:
            self._give_up()

    def _give_up(self) -> None:
        self.is_readable = False
        self._pending.clear()
        self._on_give_up()

    def _read(self, chunk: bytes) -> None:
        if not self._is_paid_for:
            self._budget.receive(len(chunk))
        if self._head is not None:
            chunk = self._without_mark(self._head + chunk)
        if self._is_after_cr or b"\r" in chunk:
            chunk = self._with_lf(chunk)
        if self._pending:
            chunk = self._complete_pending(chunk)
        end = chunk.rfind(_BLANK)
        if end >= 0:
            end += len(_BLANK)
            self._take_whole(chunk[:end])
            chunk = chunk[end:]
        self._keep(chunk if self._pending else chunk.lstrip(_LF))

    def _take_whole(self, blocks: bytes) -> None:
        """Hand on what is of interest in `blocks`, each with its blank line."""
        if not _is_of_interest(blocks):
            return
        marks: _Marks | None = None
        start = passed_over = 0
        while start < len(blocks):
            run = _RUN_OF_DELTAS.match(blocks, start)
            if run is not None:
                start = run.end()
                continue
            end = blocks.find(_BLANK, start)
            if end < 0:  # one more line end behind the last blank line
                return
            event = blocks[start:end]
            start = end + len(_BLANK)
            if _is_of_interest(event):
                self._budget.spend(EVENT_COST)
                self._take(event)
                continue
            passed_over += 1
            if passed_over > _MOST_PASSED_OVER:
                marks = marks or _Marks(blocks)
                mark = marks.next(start)
                if mark is None:
                    return
                border = blocks.rfind(_BLANK, start, mark)
                start = start if border < 0 else border + len(_BLANK)

    def _without_mark(self, head: bytes) -> bytes:
        """The stream's beginning without a byte order mark; nothing while there may be one."""
        if len(head) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BYTE_ORDER_MARK)

    def _with_lf(self, chunk: bytes) -> bytes:
        """`chunk` with every line end as one LF, also a CRLF that two chunks share."""
        self._budget.spend(LINE_END_COST * len(chunk))
        if self._is_after_cr and chunk:
            self._is_after_cr = False
            chunk = chunk.removeprefix(_LF)
        if chunk.endswith(b"\r"):
            self._is_after_cr = True
        return chunk.replace(b"\r\n", _LF).translate(_CR_TO_LF)

    def _complete_pending(self, text: bytes) -> bytes:
        """End the event that has begun, if its blank line is in `text`; what is not used up."""
        if self._pending.endswith(_LF) and text.startswith(_LF):
            end, rest = 0, text[1:]
        else:
            end = text.find(_BLANK)
            if end < 0:
                return text
            rest = text[end + len(_BLANK) :]
        self._pending += text[:end]
        self._end_pending()
        return rest

    def _keep(self, text: bytes) -> None:
        """Keep the beginning of an event; of one that is too long, only how it ends so far."""
        pending = self._pending
        pending += text
        if pending and (self._is_skipping or len(pending) > EVENT_LIMIT_BYTES + 1):
            self._is_skipping = True
            del pending[:-1]
        self._is_at_border = self._head is None and not pending

    def _end_pending(self) -> None:
        if not self._is_skipping:
            self._take(self._pending)
        self._is_skipping = False
        self._pending.clear()

    def _take(self, block: bytes | bytearray) -> None:
        """Hand on the event in `block`, if it is one of interest."""
        if not _is_of_interest(block):
            return
        block = bytes(block.strip(_LF))
        if len(block) > EVENT_LIMIT_BYTES:
            return
        self._budget.spend(JSON_BYTE_COST * len(block))
        name, data = _read_fields(block)
        if data is not None:
            self._on_event(name.decode("utf-8", "replace"), data)


class _Marks:
    """Finds the marks of interest in `blocks`, one after the other; each byte is looked at once."""

    __slots__ = ("_blocks", "_places")

    def __init__(self, blocks: bytes) -> None:
        self._blocks = blocks
        self._places = dict.fromkeys(_MARKS, -1)

    def next(self, start: int) -> int | None:
        """Where the first one from `start` on begins; None if there is none. `start` only grows."""
        for mark, place in list(self._places.items()):
            if place < start:
                found = self._blocks.find(mark, start)
                if found < 0:
                    del self._places[mark]
                else:
                    self._places[mark] = found
        return min(self._places.values(), default=None)


def _is_of_interest(block: bytes | bytearray) -> bool:
    """Whether `block` holds one of the marks."""
    return b"message_" in block or b"error" in block or b'"usage"' in block


def _read_fields(block: bytes) -> tuple[bytes, bytes | None]:
    """Name and data of one event; data is None where the standard says that none is dispatched.

    A JSON object in place of fields is taken for data: an error sent under the wrong content type.
    """
    if block.startswith(b"{"):
        return b"", block
    name = b""
    data: list[bytes] = []
    for line in block.split(_LF):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name, _LF.join(data) if data else None
