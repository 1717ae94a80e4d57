"""What can be set, with the built-in defaults: plain frozen data, no files and no environment.

`config` fills these Structs from `config.toml` and the environment. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from offramp_core.backend import Auth, Backend, OwnThinking, Route, Secret
from offramp_core.services import DELEGATE, SERVICES, anthropic, zai
from offramp_core.usage import measure

__all__ = [
    "ANTHROPIC",
    "MIB",
    "Auth",
    "Backend",
    "DelegationMode",
    "KeepRules",
    "LogFormat",
    "LogLevel",
    "OwnThinking",
    "Route",
    "Secret",
    "Settings",
    "Thinking",
    "TrayCount",
    "TrayIcon",
    "TrayPicture",
    "TraySettings",
    "TrayText",
    "default_backends",
    "default_routes",
]

LogLevel = Literal["debug", "info", "warn", "error"]
LogFormat = Literal["text", "json"]
Thinking = Literal["own", "strip"]
DelegationMode = Literal["always", "auto", "never"]
TrayPicture = Literal["left", "split"]
TrayCount = Literal["requests", "tokens"]
TrayText = Literal["none", "share", "requests", "tokens"]
TrayIcon = Literal["auto", "color", "template"]

Seconds = Annotated[float, Meta(gt=0, le=7 * 24 * 3600)]

ANTHROPIC = anthropic.NAME
"""The backend that always exists: where everything goes that no route sends elsewhere."""

MIB = 1024 * 1024


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

    picture: TrayPicture = "left"
    """What the icon draws: what is left of the plans, or how the week splits."""
    count: TrayCount = measure.DEFAULT.value
    """By what the week is split."""
    text: TrayText = "none"
    """Beside the icon: the delegated share, or the week's requests or tokens."""
    icon: TrayIcon = "auto"
    """`template` is monochrome, coloured by the system (only on macOS); `auto` is that on macOS."""
    quota_percent: Annotated[int, Meta(ge=1, le=100)] = 90
    """From here on a quota counts as nearly spent."""
    notify_delegation: bool = True
    """Delegation stopped working, and why."""
    notify_key: bool = True
    """The key was refused."""
    notify_daemon: bool = True
    """The daemon did not come back."""
    notify_quota: bool = True
    """A quota is nearly spent, or will not last its week."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run of the daemon, or of a command, works by."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 3001
    client_token: Secret | None = None
    """What a client must send as `x-offramp-token` where `host` is not loopback."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides this machine's own that a request's Host may carry."""
    allowed_origins: tuple[str, ...] = ()
    """Web pages (`http://localhost:8000`) that may send requests."""
    other_users: bool = False
    """Other users of this machine may send requests, and so spend the keys."""
    plain_http: bool = False
    """Keys and logins may go to another machine over http://, which everybody on the way reads."""
    log_dir: Path | None = None
    """Folder of the request log; None means the default below the data folder."""
    machine: str = ""
    """What this machine's files in `log_dir` are named after; empty where it is the only one."""
    metrics: bool = False
    """`/metrics` is answered, for Prometheus."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    week_start_day: Annotated[int, Meta(ge=0, le=6, description="0 is Sunday")] = 4
    week_start_hour: Annotated[int, Meta(ge=0, le=23)] = 22
    thinking: Thinking = "own"
    """`own`: each backend gets its own thinking blocks back. `strip`: none gets any."""
    delegation: DelegationMode = "always"
    """Whether routes delegate: `auto` only as far as the Claude plan needs it to last its week."""
    failover: bool | tuple[str, ...] = True
    """Where a delegated request goes that its backend fails: to Anthropic, nowhere, or to these
    backends in their order. Each gets the request as it came."""
    overflow: bool = False
    """What Anthropic refuses since the Claude plan is spent goes to the delegate, unchanged."""
    overflow_model: str = DELEGATE.overflow_model
    """The model's name that such a request is sent with."""
    queue_wait_s: Seconds = 30.0
    """How long a request may wait for its turn at a backend that serves few at once."""
    zai_quota: bool = True
    """Z.ai is asked, at times, how much of its plan is used."""
    show_projects: bool = True
    """Sessions are shown with their projects, which the names of Claude Code's files give away."""
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

    def asks_quota_of(self, service: str) -> bool:
        """Whether the user lets that service be asked how much of its plan is used."""
        return self.zai_quota or service != zai.NAME

    def secrets(self) -> list[Secret]:
        """Every credential in these settings, so that no log shows one by mistake.

        A key that other settings show is none, such as the key `ollama` of a backend of that name:
        masking it would hide the name.
        """
        keys = [backend.key for backend in self.backends]
        shown = [text for each in self.backends for text in (each.name, each.base_url)]
        shown += [route.send_model for route in self.routes if route.send_model]
        return [
            secret
            for secret in (*keys, self.client_token)
            if secret is not None and not any(secret.reveal() in text for text in shown)
        ]

    @property
    def failover_chain(self) -> tuple[str, ...]:
        """The backends that are asked in the stead of one that fails, in their order."""
        if isinstance(self.failover, bool):
            return (ANTHROPIC,) if self.failover else ()
        return self.failover

    @property
    def delegates_in_use(self) -> frozenset[str]:
        """The names of all backends beside Claude that routes or the failover can lead to."""
        named = {route.backend for route in self.routes} | set(self.failover_chain)
        return frozenset(
            each.name for each in self.backends if each.name in named and each.auth != "client"
        )

    def backend(self, name: str) -> Backend:
        """The backend of that name; `config` has made sure that every route's exists."""
        for backend in self.backends:
            if backend.name == name:
                return backend
        raise KeyError(name)


def default_backends() -> tuple[Backend, ...]:
    """A backend for each service that Offramp knows; only their keys are missing."""
    return tuple(service.backend for service in SERVICES)


def default_routes() -> tuple[Route, ...]:
    """Claude's models for execution work to the delegate; what matches none goes to Anthropic."""
    return DELEGATE.routes
