"""The one page that a browser gets at Offramp's address: whether it runs, and where the charts are.

It has no script and loads nothing. What it shows, the status line shows too.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from aiohttp import web

from offramp_core import __version__
from offramp_core.wording import delegation_text, status_line_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

    from offramp_core.control.api import Status

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# The empty icon keeps the browser from asking for one, which would go to Anthropic.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Offramp</title>
<link rel="icon" href="data:,">
<style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 38rem; margin: 4rem auto }}
body {{ padding: 0 1rem }}
code {{ font-size: 1.05em }}
</style>
</head>
<body>
<h1>Offramp is running</h1>
<p>Delegation: {delegation}.</p>
<p>{week}</p>
<p>To see the charts, open them from the tray icon, or type <code>offramp charts</code> in a
terminal. For the numbers there, type <code>offramp stats</code>.</p>
<p>To use Offramp in Claude Code, type <code>offramp connect</code>.</p>
<p><small>Offramp {version}, at {address}</small></p>
</body>
</html>
"""


def answer(
    status: Status, tokens: Mapping[str | None, int], now: datetime, zone: tzinfo
) -> web.Response:
    """Return the page for the daemon at `now`; `tokens` are this week's, by backend."""
    split = "".join(part.text for part in status_line_text.split_parts(tokens))
    week = split.removeprefix("week: ")
    text = _PAGE.format(
        delegation=html.escape(delegation_text.delegation_text(status, now, zone)),
        week=f"This week: {html.escape(week)} of tokens." if week else "Nothing this week yet.",
        version=html.escape(__version__),
        address=html.escape(status.address),
    )
    return web.Response(text=text, content_type="text/html", headers=_HEADERS)
