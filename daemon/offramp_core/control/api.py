"""The control contract: what goes over the daemon's Unix socket, and what comes back.

Requests and answers are JSON over HTTP. Within one `PROTOCOL` fields and routes are only ever
added, with a default; whatever would be misread by the other side makes a new number. Two things
hold for every number, so that the two sides can always say what is wrong: an answer begins as
`ControlAnswer` does, and what is refused is a `CommandRefusal`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from offramp_core import __version__
from offramp_core.quota.windows import PlanQuota

PROTOCOL = 1

PROTOCOL_HEADER = "Offramp-Protocol"
"""Names the client's number in each request; without it the daemon's own is assumed."""

STATUS = "/status"
PAUSE = "/pause"
RESUME = "/resume"
RELOAD = "/reload"
DRAIN = "/drain"
RESTART = "/restart"
EVENTS = "/events"
STATUS_LINE = "/status-line"
"""Answered with text: `offramp statusline` has no time to decode anything."""

RESTART_LIMIT_S = 70.0
"""A restart is done by then, or has failed: longer than a worker may take to be ready."""

LONGEST_PAUSE = timedelta(days=366)
MOST_BYTES = 1024 * 1024
"""More than any request, answer or line of the event stream holds."""

KEEP_ALIVE_S = 15.0
"""An event stream is never silent for longer: with nothing to tell, it holds an empty line."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Key = Literal["not needed", "present", "missing"]

A = TypeVar("A", bound="ControlAnswer")


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer begins with: who speaks."""

    protocol: int = PROTOCOL
    version: str = __version__


class CommandRefusal(ControlAnswer, frozen=True, kw_only=True):
    """Why the daemon did not do it; fit to be shown."""

    title: str
    hint: str = ""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Delegation rests: since when, and until when (None: until somebody resumes it)."""

    since: Moment
    until: Moment | None = None


class BackendError(msgspec.Struct, frozen=True, kw_only=True):
    """The latest failure of a backend that no answer has come after; no content, no key.

    `kind` is one of the words below, or one that a newer daemon knows.
    """

    at: Moment
    kind: str
    why: str
    """One short sentence."""
    http_status: int | None = None
    """What the client was answered; None where its answer broke off."""
    count: int = 1
    """How many requests have failed one after the other, this one included."""


KEY_REFUSED: Final = "key refused"
LIMIT: Final = "limit"
"""A quota is spent, or the plan's limit is reached."""
ACCOUNT: Final = "account"
"""The account may not do it, or has no plan that could."""
OVERLOADED: Final = "overloaded"
BUSY: Final = "busy"
"""It serves no more requests at once."""
UNREACHABLE: Final = "unreachable"
FAILING: Final = "failing"
"""It answered with an error of its own, or broke off."""


KEY_AWAITED: Final = "waiting for the keyring"
"""The `key_note` of a key that is likely to be there in a moment."""


class Bypass(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs at a backend goes elsewhere for now, since it can't or should not serve it."""

    to: str
    """The backend that serves instead."""
    since: Moment
    cause: str
    """As a `BackendError.kind`."""
    until: Moment | None = None
    """When it is tried again, or its quota resets; None where that is not known."""
    requests: int = 0
    """How many have gone elsewhere since."""
    family: str | None = None
    """The only model that is concerned, as it is sent; None where all are, or nobody said."""


REFUSED: Final = "refused"
"""The backend does not take the requests as they are: their shape, a field, a value."""
UNKNOWN_MODEL: Final = "unknown model"
"""The backend does not know the model that is sent."""
TOO_LONG: Final = "too long"
"""The conversation does not fit into the model's context, so the backend refuses it."""
EMPTY_ANSWERS: Final = "empty answers"
"""The answers hold no word and no tool call."""
KEPT: Final = "kept"
"""A rule keeps every request on Claude; `DelegationTrouble.rule` names it."""


class DelegationTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Delegation does not work for a model: Claude serves its requests, always for one cause."""

    backend: str
    """Where they belong."""
    model: str
    """As it is sent."""
    cause: str
    """One of the five words above, or a `BackendError.kind`."""
    since: Moment
    """When the first of these requests came."""
    requests: int
    """How many Claude has served since."""
    detail: str | None = None
    """What the backend answered, in a few words without content: `HTTP 400, code 1210`."""
    rule: str | None = None
    """The rule of `[keep_on_anthropic]` that keeps them; only for `KEPT`."""
    next_try: Moment | None = None
    """Requests skip the backend, save one that goes there at that time; None: all go there."""
    is_in_one_conversation: bool = False
    """Whether only one conversation is known to be concerned; others may well be delegated."""


class StandIns(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests that belong at a backend Claude has served for one cause, over the time."""

    backend: str
    model: str
    """As it would be sent there."""
    cause: str
    """As a `DelegationTrouble.cause`, or another word; requests that a rule keeps do not count."""
    since: Moment
    """When the first of them came."""
    requests: int


class ModelFallback(msgspec.Struct, frozen=True, kw_only=True):
    """A route sends its `fallback_model`, since the backend does not know the model's own name."""

    backend: str
    model: str
    """The name that the backend does not know."""
    sent: str
    """The name that is sent for it."""
    until: Moment
    """When the model's own name is tried again."""


class ClientProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Claude Code was connected by `offramp connect`, and does not use Offramp any more."""

    settings_file: str
    """Claude Code's settings that `connect` wrote."""
    found: str | None = None
    """The address that they hold now, without credentials; None if they hold none."""


class BackendStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One backend, whether the credential that it needs is there, and whether it fails."""

    name: str
    key: Key
    is_used: bool = True
    """Whether a route or the failover leads to it: nobody misses the key of one that is not."""
    key_note: str | None = None
    """Why a missing key is missing, where more can be said: what the keyring does, say."""
    last_error: BackendError | None = None
    bypass: Bypass | None = None
    at_once: int | None = None
    """How many requests it serves at once, once that was learnt."""
    waiting: int = 0
    """How many requests wait for their turn."""


class RecordsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the request log is doing: numbers of records since the daemon's start."""

    written: int
    waiting: int
    lost: int
    last_error: str | None = None
    """Why records cannot be written at present; None while they can."""


class PlanOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """What will be used of a plan's week when it resets, as it was forecast at `at`.

    In eight of ten weeks it is between `low` and `high`: fractions of the week, 1 at most.
    """

    backend: str
    at: Moment
    resets: Moment
    low: float
    likely: float
    high: float
    runs_out: Moment | None = None
    """When all of it is likely to be used; None where the reset comes first."""


class ShortPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that is likely to be used up before its week ends, at `resets`."""

    backend: str
    resets: Moment
    text: str
    """A whole sentence that says so, and when."""


class Status(ControlAnswer, frozen=True, kw_only=True):
    """The daemon at one moment; also each line of the event stream."""

    pid: int
    started: Moment
    uptime_s: int
    address: str
    """What to give to Claude Code as its base URL."""
    pause: Pause | None = None
    """None while delegation goes on."""
    backends: tuple[BackendStatus, ...] = ()
    in_flight: int = 0
    records: RecordsStatus
    settings_file: str
    is_stopping: bool = False
    supervisor_pid: int | None = None
    """The process that would replace this one; None in the foreground."""
    settings_problem: str | None = None
    """Why the settings in force are not those of the files; None while they are."""
    after_restart: tuple[str, ...] = ()
    """The settings that are changed in the files, and wait for the daemon's next start."""
    quota: tuple[PlanQuota, ...] = ()
    """What is known of the plans' limits: at each backend those of the account in use."""
    outlooks: tuple[PlanOutlook, ...] = ()
    """What is expected of the plans' weeks; of those of which enough is known."""
    delegation: str = "always"
    """The setting: `always`, `auto` or `never`."""
    delegation_why: str | None = None
    """In `auto`, why the latest conversation went where it went: one sentence."""
    troubles: tuple[DelegationTrouble, ...] = ()
    """Why delegation does not work at present, the most requests first; empty while it does."""
    stand_ins: tuple[StandIns, ...] = ()
    """How many requests Claude has served instead, restarts included, the most first."""
    fallbacks: tuple[ModelFallback, ...] = ()
    client_problem: ClientProblem | None = None
    warnings: tuple[str, ...] = ()
    """What works but is not as it was set, in whole sentences: a proxy that is skipped, say."""
    short_plans: tuple[ShortPlan, ...] = ()
    """The plans whose week will not last; their sentences are in `warnings`, too."""
    variables: dict[str, str] | None = None
    """The proxy and certificate variables that the daemon was started with, `.env` included, by
    their upper-case names; a login is masked. None: an older daemon, which does not say."""


class PauseCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pause until then. A condition that this version doesn't know must not go unnoticed."""

    until: Moment | None = None


class RestartCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Have another daemon take over: one of the Offramp that `program` belongs to."""

    program: str = ""
    """The absolute path of its `offramp-daemon`; the running one's own if empty."""


class CommandAnswer(ControlAnswer, frozen=True, kw_only=True):
    """It was done; `notes` are sentences that the user should read."""

    status: Status
    notes: tuple[str, ...] = ()


class ReloadAnswer(ControlAnswer, frozen=True, kw_only=True):
    """The result of reading the settings again."""

    problem: str | None = None
    """Why they were not taken, so that the old ones stay; None if they were."""
    changed: tuple[str, ...] = ()
    """What is in force now."""
    after_restart: tuple[str, ...] = ()
    """Changed too, but not before the daemon's next start."""


class UnreadableError(Exception):
    """Bytes that are not a payload of this contract."""


class OtherProtocolError(Exception):
    """An answer by a daemon that speaks another protocol."""

    def __init__(self, head: ControlAnswer) -> None:
        """Keep who speaks."""
        super().__init__(f"protocol {head.protocol}")
        self.head = head


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode(payload: msgspec.Struct) -> bytes:
    """Return `payload` as one line of JSON, without a newline."""
    return msgspec.json.encode(payload)


def decode_answer(data: bytes, kind: type[A]) -> A:
    """Return the answer in `data`, which is to be of `kind`.

    Raises:
        OtherProtocolError: its protocol is another, so that nothing else in it counts.
        UnreadableError: it is no such answer.
    """
    try:
        head = msgspec.json.decode(data, type=_AnswerHead)
        if head.protocol != PROTOCOL:
            raise OtherProtocolError(ControlAnswer(protocol=head.protocol, version=head.version))
        return msgspec.json.decode(data, type=kind)
    except _UNREADABLE as error:
        raise UnreadableError(str(error)) from error


def decode_pause(data: bytes) -> PauseCommand:
    """Return the command in `data`; none at all is a pause without an end.

    Raises:
        UnreadableError: it is no such command, or holds more than this version knows.
    """
    try:
        return msgspec.json.decode(data, type=PauseCommand) if data.strip() else PauseCommand()
    except _UNREADABLE as error:
        raise UnreadableError(str(error)) from error


def decode_restart(data: bytes) -> RestartCommand:
    """Return the command in `data`; none at all is a restart of the same program.

    Raises:
        UnreadableError: it is no such command.
    """
    try:
        return msgspec.json.decode(data, type=RestartCommand) if data.strip() else RestartCommand()
    except _UNREADABLE as error:
        raise UnreadableError(str(error)) from error


class _AnswerHead(msgspec.Struct, frozen=True, kw_only=True):
    """An answer's beginning without our own defaults: a foreign answer must not pass for ours."""

    protocol: int
    version: str = "of unknown version"
