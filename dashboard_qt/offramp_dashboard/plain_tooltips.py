"""Has tool tips show text as it stands: Qt takes what looks like HTML for such.

Names of models come from whoever sends the requests, and may look like anything.
"""

from __future__ import annotations

import html


def tip(text: str) -> str:
    """`text` for a tool tip, which has no other way to be told that it is plain."""
    if "<" not in text:
        return text
    return f"<span>{html.escape(text)}</span>".replace("\n", "<br>")
