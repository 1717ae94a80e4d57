"""What holds for a service that Offramp does not know: a `[backend.NAME]` table of the user's own.

Nothing but that it speaks Anthropic's protocol. Its error codes are read as Z.ai's are: resellers
of GLM answer with the same ones, and no other service is known to use these numbers otherwise.
"""

from __future__ import annotations

from typing import Final

from offramp_core.backend import Backend
from offramp_core.services import zai
from offramp_core.services.service import Service

OTHER: Final = Service(
    title="",
    company="",
    backend=Backend(name="", base_url=""),
    error_codes=zai.ERROR_CODES,
    vague_codes=zai.VAGUE_CODES,
)
