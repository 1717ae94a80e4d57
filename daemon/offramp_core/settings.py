"""What can be set, with the built-in defaults: plain frozen data, no files and no environment.

`config` fills these Structs from `config.toml` and the environment. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Auth = Literal["client", "bearer", "x-api-key"]
LogLevel = Literal["debug", "info", "warn", "error"]
LogFormat = Literal["text", "json"]
Thinking = Literal["own", "strip"]
DelegationMode = Literal["always", "auto", "never"]
OwnThinking = Literal["anthropic", "not-anthropic", "none"]
TrayCount = Literal["requests", "tokens"]
TrayText = Literal["none", "share", "requests", "tokens"]
TrayIcon = Literal["auto", "color", "template"]

Seconds = Annotated[float, Meta(gt=0, le=7 * 24 * 3600)]

ANTHROPIC = "anthropic"
"""The backend that always exists: where everything goes that no route sends elsewhere."""

ZAI = "zai"
"""The backend that the default routes delegate to."""

ANTHROPIC_BASE_URL = "https://api.anthropic.com"
ZAI_BASE_URL = "https://api.z.ai/api/anthropic"

MIB = 1024 * 1024


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

    `auth` says which credential it gets: the client's own headers, or `key` in one header.
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
    drop_fields: tuple[str, ...] = ("metadata", "safeguards", "mcp_servers")
    """Top-level body fields that are left out."""
    system_role_in_messages: bool = False
    """Takes `role: "system"` items inside `messages`; else they join the neighbouring user turn."""
    billing_header_block: bool = False
    """Takes Claude Code's `x-anthropic-billing-header` system block, which changes every time."""
    server_tools: bool = False
    images: bool = False
    documents: bool = False
    own_thinking: OwnThinking = "not-anthropic"
    """Whose signatures it issues, so which thinking blocks it gets back."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Requests whose model contains `match`, case ignored, go to `backend` as `send_model`."""

    match: str
    backend: str
    send_model: str | None = None
    """None leaves the model's name as it came (save for a `[1m]` suffix)."""
    context_tokens: int | None = None
    """The target's context; larger requests stay on Anthropic. None: no limit."""


class KeepRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests stay on Anthropic though a route matches: the target can't serve them."""

    server_tools: bool = True
    images: bool = True
    documents: bool = True
    context_size: bool = True
    safety_check: bool = True
    quota_probe: bool = True


class TraySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the tray shows, and which notifications it sends."""

    count: TrayCount = "requests"
    """By what the week is split."""
    text: TrayText = "none"
    """Beside the icon: the delegated share, or the week's requests or tokens."""
    icon: TrayIcon = "auto"
    """`template` is monochrome, coloured by the system (macOS alone); `auto` is that on macOS."""
    quota_percent: Annotated[int, Meta(ge=1, le=100)] = 90
    """From here on a quota counts as nearly spent."""
    notify_delegation: bool = True
    """Delegation stopped working, and why."""
    notify_key: bool = True
    """The key was refused."""
    notify_daemon: bool = True
    """The daemon does not come back."""
    notify_quota: bool = True
    """A quota is nearly spent."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run of the daemon, or of a command, works by."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 3001
    client_token: Secret | None = None
    """What a client must send as `x-offramp-token` where `host` is not loopback."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides this machine's own that a request's Host and Origin may carry."""
    log_dir: Path | None = None
    """Folder of the request log; None means the default below the data folder."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    week_start_day: Annotated[int, Meta(ge=0, le=6, description="0 is Sunday")] = 4
    week_start_hour: Annotated[int, Meta(ge=0, le=23)] = 22
    thinking: Thinking = "own"
    """`own`: each backend gets its own thinking blocks back. `strip`: none gets any."""
    delegation: DelegationMode = "always"
    """Whether routes delegate: `auto` only as far as the Claude plan needs it to last its week."""
    failover: bool = True
    """A delegated request that its backend fails goes to Anthropic, as it came."""
    overflow: bool = False
    """What Anthropic refuses since the Claude plan is spent goes to the delegate, unchanged."""
    overflow_model: str = "GLM-4.7"
    """The model's name that such a request is sent with."""
    queue_wait_s: Seconds = 30.0
    """How long a request may wait for its turn at a backend that serves few at once."""
    zai_quota: bool = True
    """Z.ai is asked, at times, how much of its plan is used."""
    let_conversations_finish: bool = False
    """A pause leaves conversations where they are that were delegated in the last 5 minutes."""
    max_body_bytes: Annotated[int, Meta(ge=1, le=1024 * MIB)] = 64 * MIB
    connect_timeout_s: Seconds = 30.0
    silence_timeout_s: Seconds = 600.0
    """Longest silence between two chunks of an answer, once it has begun."""
    drain_timeout_s: Seconds = 20.0
    """How long streams in flight may go on after the daemon was told to stop."""
    keep_on_anthropic: KeepRules = KeepRules()
    tray: TraySettings = TraySettings()
    backends: tuple[Backend, ...] = ()
    routes: tuple[Route, ...] = ()

    def secrets(self) -> list[Secret]:
        """Every credential in these settings, so that no log shows one by mistake."""
        keys = [backend.key for backend in self.backends]
        return [secret for secret in (*keys, self.client_token) if secret is not None]

    def backend(self, name: str) -> Backend:
        """The backend of that name; `config` has made sure that every route's exists."""
        for backend in self.backends:
            if backend.name == name:
                return backend
        raise KeyError(name)


def default_backends() -> tuple[Backend, ...]:
    """Anthropic and Z.ai as product defaults; only the Z.ai key is missing."""
    return (
        Backend(
            name=ANTHROPIC,
            base_url=ANTHROPIC_BASE_URL,
            auth="client",
            server_tools=True,
            images=True,
            documents=True,
            system_role_in_messages=True,
            billing_header_block=True,
            own_thinking="anthropic",
            drop_fields=(),
        ),
        Backend(
            name=ZAI,
            base_url=ZAI_BASE_URL,
            auth="x-api-key",
            betas=("interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"),
            drop_fields=(
                "metadata",
                "safeguards",
                "context_management",
                "container",
                "mcp_servers",
                "service_tier",
                "inference_geo",
                "speed",
                "output_config",
                "output_format",
            ),
        ),
    )


def default_routes() -> tuple[Route, ...]:
    """Sonnet and Haiku to Z.ai; what matches neither goes to Anthropic."""
    return (
        Route(match="sonnet", backend=ZAI, context_tokens=200_000),
        Route(match="haiku", backend=ZAI, send_model="GLM-4.5-Air", context_tokens=128_000),
    )
