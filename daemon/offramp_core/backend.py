"""What is set of one backend: its address, its credential, and how it differs from Anthropic.

Plain frozen data. What is known of a service by itself is in `offramp_core.services`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Auth = Literal["client", "bearer", "x-api-key", "none"]
OwnThinking = Literal["anthropic", "not-anthropic", "none"]


class Secret:
    """A credential that never shows itself: `repr`, `str` and formatting give a mask."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hide `value`."""
        self._value = value

    def reveal(self) -> str:
        """The credential itself, for the one place that sends it."""
        return self._value

    def masked(self) -> str:
        """First and last five characters (`sk-an...wigAA`); a short one shows none."""
        if len(self._value) < 20:  # less would show half of it
            return "***"
        return f"{self._value[:5]}...{self._value[-5:]}"

    def __repr__(self) -> str:
        """The mask, so that a settings object can be logged by mistake without harm."""
        return f"Secret({self.masked()!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Equal when the hidden values are."""
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        """Hash of the hidden value."""
        return hash(self._value)


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One Anthropic-compatible service and the ways in which it differs from Anthropic's own.

    `auth` says which credential it gets: the client's own headers, `key` in one header, or none.
    With `auth = "client"` the request is passed as it came, so the fields below `auth` (all but
    `own_thinking`) do not apply.
    """

    name: str
    base_url: str
    key: Secret | None = None
    auth: Auth = "x-api-key"
    headers: tuple[str, ...] = (
        "accept",
        "accept-encoding",
        "accept-language",
        "anthropic-version",
        "content-encoding",
        "content-type",
        "user-agent",
        "x-app",
    )
    """Request headers that may pass (lower case); all others stay here."""
    betas: tuple[str, ...] = ()
    """Values of `anthropic-beta` that may pass; the header goes only if one is left."""
    drop_fields: tuple[str, ...] = ()
    """Top-level body fields that are left out besides those that the service does not take."""
    accept_fields: tuple[str, ...] | Literal["all"] = ()
    """Fields that it takes besides: `name`, or `place.name` such as `thinking.display`."""
    accept_blocks: tuple[str, ...] | Literal["all"] = ()
    """Types of content blocks that it takes besides."""
    system_role_in_messages: bool = False
    """Takes `role: "system"` items inside `messages`; else they join the neighbouring user turn."""
    billing_header_block: bool = False
    """Takes Claude Code's `x-anthropic-billing-header` system block, which changes every time."""
    server_tools: bool = False
    images: bool = False
    documents: bool = False
    own_thinking: OwnThinking = "not-anthropic"
    """Whose signatures it issues, so which thinking blocks it gets back."""

    @property
    def takes_key(self) -> bool:
        """Whether it gets a key of its own, neither the client's credentials nor none."""
        return self.auth in ("bearer", "x-api-key")

    @property
    def lacks_key(self) -> bool:
        """Whether it needs a key, and has none."""
        return self.takes_key and self.key is None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Requests whose model contains `match`, case ignored, go to `backend` as `send_model`."""

    match: str
    backend: str
    send_model: str | None = None
    """None leaves the model's name as it came (save for a `[1m]` suffix)."""
    fallback_model: str | None = None
    """The name that is sent where the backend does not know that one. None: the service's own."""
    context_tokens: int | None = None
    """The target's context; larger requests stay on Anthropic. None: no limit."""
    max_output_tokens: int | None = None
    """The largest `max_tokens` that is sent. This and what follows: None for the model's own."""
    images: bool | None = None
    documents: bool | None = None
    always_thinks: bool | None = None
    """The model refuses `thinking: disabled`, and needs tokens to think before it answers."""
    efforts: tuple[str, ...] | None = None
    """The efforts that the model takes; another becomes the nearest of them."""
