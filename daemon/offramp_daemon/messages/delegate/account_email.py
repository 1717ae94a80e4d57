"""Leaves the e-mail address of the user's account out of Claude Code's reminders. Pure.

With a subscription's login a reminder says whose account it is: a heading `# userEmail` and one
sentence. Nothing else in a text is touched, and no text but a reminder is looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offramp_daemon.messages.json_splice import Piece

MARK = b"mail address is"
"""What every text with such a sentence holds."""
_REMINDER = re.compile(rb"(?:<|\\u003c)system-reminder", re.IGNORECASE)
"""Some writers of JSON escape what HTML knows: the brackets, the apostrophe, the at sign."""
_PART = rb"(?:[^\s\"\\<>]|\\u(?!003[ce]|0040)[0-9a-f]{4})+"
_SENTENCE = re.compile(
    rb"(?:# userEmail(?:\\r|\\n| )*)?"
    rb"The user(?:'|\\u0027|\\u2019|\xe2\x80\x99)s e-?mail address is "
    + _PART
    + rb"(?:@|\\u0040)"
    + _PART
    + rb"(?:\\r|\\n)*",
    re.IGNORECASE,
)


def without(piece: Piece, *, is_reminder: bool = False) -> Piece:
    """The JSON of a text or a text block, the address left out if it is a reminder."""
    raw = bytes(piece)
    if MARK not in raw or not (is_reminder or _REMINDER.search(raw)):
        return piece
    return _SENTENCE.sub(b"", raw)
