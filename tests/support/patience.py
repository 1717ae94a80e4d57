"""How long a test waits for what must happen.

A wait ends as soon as it has happened, so a long one costs nothing, and a busy machine fails no
test. Waits that show that nothing happens, or that give up on purpose, have times of their own.
"""

from __future__ import annotations

PATIENCE_S = 60.0
PATIENCE_MS = round(PATIENCE_S * 1000)
