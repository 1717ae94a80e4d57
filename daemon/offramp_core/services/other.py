"""What holds for a service that Offramp does not know: a `[backend.NAME]` table of the user's own.

Nothing but that it speaks Anthropic's protocol. Its error codes are read as Z.ai's are, since
resellers of GLM answer with the same ones; but not the numbers that another known service uses too.
"""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services import minimax, openrouter, zai
from offramp_core.services.service import Service

_TAKEN: Final = frozenset({*minimax.ERROR_CODES, *openrouter.ERROR_CODES})

OTHER: Final = Service(
    title="",
    company="",
    backend=Backend(name="", base_url=""),
    error_codes={code: kind for code, kind in zai.ERROR_CODES.items() if code not in _TAKEN},
    vague_codes=zai.VAGUE_CODES,
)
