"""Everything that is known of Anthropic's service, which also is the protocol's own.

Sources: Anthropic's documentation; published captures of its traffic, where that is said.
"""

from __future__ import annotations

import re
from typing import Final

from offramp_core.backend import Backend
from offramp_core.services.service import Service

NAME: Final = "anthropic"

CREDENTIAL_PREFIX: Final = "sk-ant-"
"""Of keys (`sk-ant-api…`) and of a subscription's tokens (`sk-ant-oat…`). Measured on Claude Code
2.1.330."""

TOKEN_PREFIX: Final = "sk-ant-oat"
"""Of a subscription's tokens only, which Claude Code renews by itself once one is refused."""

SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/_-]{100,}={0,2}")
"""Of a thinking block: base64 of hundreds of characters. Published captures; that none is shorter
than 100 is a guess."""

SERVER_CALL_ID: Final = re.compile(r"(?:srvtoolu|mcptoolu)_[A-Za-z0-9_-]+")
"""The id of a call to one of its own tools; it refuses others. Published captures."""

NEVER_DISABLE_THINKING: Final = ("fable", "haiku-4-5")
"""What the names of models hold that refuse `disabled` thinking. Reports; one only of Haiku."""

EFFORTS_THAT_THINK: Final = ("xhigh", "max")
"""Efforts with which `disabled` thinking is refused. Reports."""

ADVISOR_TOOLS: Final = "advisor_"
"""How the type begins of the tool that asks a stronger model. Reports."""

PLACEHOLDER_TOOL: Final = "DeferredToolPlaceholder"
"""A tool that only keeps a place for others, which are loaded later. Measured on Claude Code
2.1.330."""

TIERS: Final = ("opus", "sonnet", "haiku")
"""What the names of its models hold, the most capable first. Anthropic's documentation."""

EXECUTION_TIERS: Final = ("sonnet", "haiku")
"""Those that do execution work."""

KEY_WINDOWS: Final = ("requests", "tokens", "input-tokens", "output-tokens")
"""An API key's limits, which refill within minutes: rates, not what a plan has left. Anthropic's
documentation."""

SERVICE: Final = Service(
    title="Claude",
    company="Anthropic",
    backend=Backend(
        name=NAME,
        base_url="https://api.anthropic.com",
        auth="client",
        server_tools=True,
        images=True,
        documents=True,
        system_role_in_messages=True,
        billing_header_block=True,
        own_thinking="anthropic",
    ),
    tells_quota_in_headers=True,
)
