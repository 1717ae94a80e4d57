"""The form in which everything that is known of one service is written down.

Plain frozen data, shared by every process. What needs code, such as reading a quota page's answer,
is in the daemon's `services`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Literal, get_args

from offramp_core.services.accepts import MESSAGES_API, Accepts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.backend import Backend, Route


class ErrorKind(Enum):
    """What one of a service's own error codes means for the request, and for those after it."""

    QUOTA = "quota"
    """A window of the plan is used up."""
    BUSY = "busy"
    """Too many requests at once."""
    OVERLOADED = "overloaded"
    """The service has no room at present, for anybody."""
    ACCOUNT = "account"
    """The plan or the account is at fault: unpaid, expired or locked."""
    NO_SUCH_MODEL = "no such model"
    """The plan does not include the model; it serves others."""
    UNKNOWN_MODEL = "unknown model"
    """The service has no model of the name that was sent."""
    KEY = "key"
    """The key is wrong, or missing."""
    INVALID = "invalid"
    """The service does not take the request's body."""
    TOO_LONG = "too long"
    """The prompt does not fit into the model's context."""
    SERVER = "server"
    """Something is broken at the service."""
    SERVER_OR_BODY = "server or body"
    """Something is broken at the service, or the request's body breaks it."""


SAFE_OUTPUT_TOKENS = 32_000
"""The most that is asked of a model whose limit is not known. Claude Code asks the same of a model
that it does not know: measured on 2.1.330."""

LONG_CONTEXT_SUFFIX = "[1m]"
"""What clients write behind a model's name for its long context; no service knows it as a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model by the name that is sent, and its limits. The defaults are safe for any model."""

    name: str
    context_tokens: int | None = None
    """None where it is not known, so that nothing is measured against it."""
    long_context_tokens: int | None = None
    """The context behind the name with `[1m]`, where that is another."""
    max_output_tokens: int | None = SAFE_OUTPUT_TOKENS
    """The largest `max_tokens` that it takes. None: any."""
    images: bool = False
    documents: bool = False
    always_thinks: bool = False
    """It refuses `thinking: disabled`, and spends output tokens on thinking in any case."""
    efforts: tuple[str, ...] | None = ()
    """The values of `output_config.effort` that it takes. None: any. Empty: it gets none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPage:
    """Where a service tells on request how much of the plan is used."""

    path: str
    """On the origin that serves the messages."""
    beside: str
    """The end of the base URL, in whose place `path` stands."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What is sent beyond the key."""

    def origin_of(self, base_url: str) -> str | None:
        """What stands before `path`: the same scheme and host as `base_url`.

        The page is known to stand there behind a gateway's prefix too. Behind any other path a
        service of another make may answer, which must not be believed: None.
        """
        origin = base_url.removesuffix(self.beside)
        return origin if origin != base_url and "?" not in origin and "#" not in origin else None


Aspect = Literal[
    "address",
    "key",
    "models",
    "context",
    "output",
    "images",
    "refusals",
    "thinking",
    "errors",
    "quota",
]
"""What has to be known of a service before a request can be fitted to it."""

ASPECTS: tuple[Aspect, ...] = get_args(Aspect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is known of one aspect of a service, and from where."""

    about: Aspect
    text: str
    source: str = ""
    """The name of the page or report. Empty: not known, so that a safe value holds."""
    read: str = ""
    """The day on which the source was read."""

    @property
    def is_known(self) -> bool:
        """Whether there is a source for it."""
        return bool(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service that speaks Anthropic's protocol."""

    title: str
    """What people call it: a plan's or a chart's heading."""
    company: str
    """Who runs it."""
    backend: Backend
    """What applies to it where the user sets nothing else: address, credential, differences."""
    accepts: Accepts = MESSAGES_API
    """What it takes in the body of a request."""
    error_codes: Mapping[str, ErrorKind] = field(default_factory=dict)
    """Its own codes in the body of an error, as text."""
    vague_codes: frozenset[str] = frozenset()
    """Codes for a bad body that also come, without a word of it, where the body is too long."""
    models: tuple[Model, ...] = ()
    aliases: Mapping[str, Model] = field(default_factory=dict)
    """By a part of a Claude model's name: the model that the service itself serves it with."""
    own_names: tuple[str, ...] = ()
    """How the names of its own models begin, in lower case: Claude has no such models."""
    routes: tuple[Route, ...] = ()
    """What goes to it where the user sets no routes and it is the delegate."""
    fallback_model: str = ""
    """The model that is sent where it does not know one of Claude's names after all."""
    overflow_model: str = ""
    """The model that serves what Claude's spent plan refuses, if it is the delegate."""
    key_shape: str = ""
    """A regular expression for its keys; empty where that is not known."""
    key_source: str = "its service"
    """Where people get a key, behind `from`."""
    tells_quota_in_headers: bool = False
    quota_page: QuotaPage | None = None
    signature: str = ""
    """A regular expression for the signatures of its thinking; empty where that is not known."""
    wants_thinking_with_calls: bool = False
    """With thinking on, it refuses a tool call in the history that has no thinking before it."""
    facts: tuple[Fact, ...] = ()
    """What is known of it and what is not, one for each of `ASPECTS`; only presets have them."""

    @property
    def name(self) -> str:
        """The name of its backend."""
        return self.backend.name

    def error_kind(self, code: str | None) -> ErrorKind | None:
        """What its own `code` means; None where that is not known."""
        return None if code is None else self.error_codes.get(code)

    def limits_of(self, model: str) -> Model:
        """Find the limits of the model that answers to this name, whatever its case."""
        name = model.lower()
        plain = name.removesuffix(LONG_CONTEXT_SUFFIX)
        for known in self.models:
            if known.name.lower() == plain:
                if name != plain and known.long_context_tokens is not None:
                    return replace(known, context_tokens=known.long_context_tokens)
                return known
        for part, known in self.aliases.items():
            if part in plain:
                return known
        return Model(name=model)

    def model_for(self, asked: str) -> str | None:
        """Find the model of its own that serves a Claude model; None where that is not known."""
        lowered = asked.lower()
        if self.own_names and lowered.startswith(self.own_names):
            return None
        for part, model in self.aliases.items():
            if part in lowered:
                return model.name
        return self.fallback_model or None

    @property
    def is_local(self) -> bool:
        """Whether it runs on the user's own machine, and gets no key."""
        return self.backend.auth == "none"

    @property
    def is_clients_own(self) -> bool:
        """Whether it gets the client's own credentials, and never a key of Offramp's."""
        return self.backend.auth == "client"

    @property
    def tells_quota(self) -> bool:
        """Whether it is known to tell how much of a plan is used."""
        return self.tells_quota_in_headers or self.quota_page is not None
