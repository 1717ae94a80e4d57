"""The errors that a client sees, in Anthropic's shape, and what other services' errors mean.

Anthropic's own error bodies never come here: they pass untouched. Pure; no socket.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp_core.control import api
from offramp_core.services import ErrorKind
from offramp_daemon.messages.answers import error_words
from offramp_daemon.messages.answers.error_bodies import Form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.services import Service
    from offramp_daemon.messages.answers.error_bodies import ServiceError

RETRY_AFTER = "Retry-After"

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_FINAL = {"x-should-retry": "false"}

_TRANSIENT = {ErrorKind.BUSY: api.BUSY, ErrorKind.OVERLOADED: api.OVERLOADED}
_ACCOUNT = frozenset({ErrorKind.ACCOUNT, ErrorKind.NO_SUCH_MODEL})
_MAY_BE_TOO_LONG = frozenset({None, ErrorKind.INVALID, ErrorKind.SERVER, ErrorKind.SERVER_OR_BODY})
_OF_A_KNOWN_KEY = frozenset({ErrorKind.QUOTA, *_TRANSIENT, *_ACCOUNT})
_NO_SERVICES_OWN = frozenset({404, 405, 410, 421})
"""What a wrong address gives; a delegate's own message would have come with a code."""
_OF_THE_WAY = frozenset({401, 403, 407, 408, 413, 429})
"""What gateways and firewalls on the way answer by themselves."""
_OF_OUTAGES = frozenset({502, 503, 504, 529})
"""No body brings these about."""
_NOT_OF_LENGTH = frozenset({401, 403, 429, 529})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error for the client: HTTP status, what failed and what to do, and extra headers."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    diagnostic: str = ""
    """What the diagnostics say where `message` quotes a service, which may quote the prompt."""
    trouble: str | None = None
    """What it says of the backend (a `BackendError.kind`); None where the request is at fault."""
    refusal: str | None = None
    """What the backend does not take of the request: `api.REFUSED`, `UNKNOWN_MODEL`, `TOO_LONG`."""
    detail: str | None = None
    """What the backend answered, in a few words without content: `HTTP 400, code 1210`."""
    is_of_model: bool = False
    """Whether only that one model is in trouble."""
    is_suspect: bool = False
    """Whether the request may well have brought it about by itself, at a service that is well."""
    is_internal: bool = False
    """Whether it is Offramp's own fault."""
    details: Mapping[str, str] | None = None
    """What a client looks at beside the type, as `error.details`."""

    @property
    def error_type(self) -> str:
        """Anthropic's name for this kind of error."""
        return _TYPES.get(self.status, "api_error")

    def body(self) -> bytes:
        """The error as Anthropic writes it."""
        error: dict[str, object] = {"type": self.error_type, "message": self.message}
        if self.details is not None:
            error["details"] = dict(self.details)
        return json.dumps({"type": "error", "error": error}).encode()


class RequestFailedError(Exception):
    """Ends the handling of a request with a `Failure` for the client."""

    def __init__(self, failure: Failure) -> None:
        """Keep `failure`."""
        super().__init__(failure.message)
        self.failure = failure


def from_delegate(
    backend: str,
    status: int,
    error: ServiceError | None,
    service: Service,
    *,
    is_large: bool = False,
    address_hint: str = "",
) -> Failure:
    """What the client gets when `backend`, which is `service`, refused with HTTP `status`.

    The client's own login is never at fault here, so nothing becomes a 401, which would make it
    log in again; and a spent quota is final, or it would be asked for ten times more. `is_large`
    says that the request may well be too long for the model. `address_hint` is added where
    something else than the service seems to have answered.
    """
    said, kind = _said(backend, status, error), _kind_of(status, error, service)
    # Claude Code compacts the conversation when it reads these words.
    too_long = Failure(status=400, message=f"prompt is too long: {said}", refusal=api.TOO_LONG)
    if _is_too_long(status, error, kind):
        return too_long
    if is_large and _is_silent_refusal(status, error, service):
        return too_long
    if _is_unknown_model(status, error, kind):
        message = f"{backend} does not know the model that it was sent. {said}"
        return Failure(status=400, message=message, refusal=api.UNKNOWN_MODEL)
    if kind is not None:
        return _of_kind(kind, status, backend, said)
    if is_from_elsewhere(status, error):
        message = f"{said}, which is not an answer to a message. {address_hint}".rstrip()
        # For any 404 Claude Code says that the model is at fault, and not a word of ours.
        shown = {404: 400}.get(status, status) if status >= 400 else 502
        # A firewall may well have answered, which takes offence at this one request.
        return Failure(status=shown, message=message, trouble=api.FAILING, is_suspect=True)
    return _of_status(status, error, backend, said)


def _of_kind(kind: ErrorKind, status: int, backend: str, said: str) -> Failure:
    """The failure that a service means by a code of that kind."""
    if kind is ErrorKind.QUOTA:
        hint = (
            f"The {backend} quota is used up. Wait, or choose a model that stays on Claude, unless "
            "your Claude plan is used up, too."
        )
        return Failure(status=429, message=f"{hint} {said}", headers=_FINAL, trouble=api.LIMIT)
    if kind in _TRANSIENT:
        return Failure(status=429, message=said, trouble=_TRANSIENT[kind])
    if kind is ErrorKind.KEY:
        return _bad_key(backend, said)
    if kind in _ACCOUNT:
        return Failure(
            status=403,
            message=said,
            headers=_FINAL,
            trouble=api.ACCOUNT,
            is_of_model=kind is ErrorKind.NO_SUCH_MODEL,
        )
    if kind in {ErrorKind.SERVER, ErrorKind.SERVER_OR_BODY}:
        may_be_body = status not in _OF_OUTAGES
        is_refusal = may_be_body and kind is ErrorKind.SERVER_OR_BODY
        return Failure(
            status=500,
            message=said,
            trouble=api.FAILING,
            refusal=api.REFUSED if is_refusal else None,
            is_suspect=may_be_body,
        )
    return Failure(status=400, message=said, refusal=api.REFUSED)


def _of_status(status: int, error: ServiceError | None, backend: str, said: str) -> Failure:
    """The failure that an HTTP status means where no code says more."""
    if status < 400:
        message = f"{said}, which is not an answer to a message."
        return Failure(status=502, message=message, trouble=api.FAILING, is_suspect=True)
    if status == 401 or (status == 403 and _speaks_of_key(error)):
        return _bad_key(backend, said)
    if status == 402:
        return Failure(status=403, message=said, headers=_FINAL, trouble=api.ACCOUNT)
    if status == 403:
        # By itself it is no sign of a bad key: a firewall says so to a single request, too.
        hint = "A gateway or firewall on the way may have refused this request, or the key."
        message = f"{said}. {hint}"
        return Failure(status=403, message=message, headers=_FINAL, refusal=api.REFUSED)
    if status == 422:  # FastAPI's status for a bad body
        return Failure(status=400, message=said, refusal=api.REFUSED)
    trouble = trouble_of(status)
    return Failure(
        status=status,
        message=said,
        trouble=trouble,
        refusal=None if trouble else api.REFUSED,
        is_suspect=status == 500,
    )


def _said(backend: str, status: int, error: ServiceError | None) -> str:
    """Who answered, and what: the error's own words, or what came in place of an error."""
    code = error.code if error else None
    where = f"(code {code})" if code else f"(HTTP {status})"
    if error is None:
        return f"{backend} answered {where}"
    if error.form in {Form.PAGE, Form.TEXT} or not error.message:
        came = "" if error.form is Form.SERVICE else f" with {error.form.value}"
        quoted = f' "{error.message}"' if error.message else ""
        return f"{backend} answered{came}{quoted} {where}"
    return f"{backend} says: {error.message} {where}"


def _kind_of(status: int, error: ServiceError | None, service: Service) -> ErrorKind | None:
    """What the code means, or else the type; None where the HTTP status has to do."""
    if error is None:
        return None
    code, kind = error.code or "", error.error_type or ""
    found = service.error_kind(code) or service.error_kind(kind)
    found = found or error_words.NAMES.get(code) or error_words.NAMES.get(kind)
    return error_words.TYPES.get(kind) if found is None and status < 400 else found


def _is_too_long(status: int, error: ServiceError | None, kind: ErrorKind | None) -> bool:
    """Whether the service says that the prompt does not fit."""
    if kind is ErrorKind.TOO_LONG or (kind is None and status == 413):
        return True
    if error is None or kind not in _MAY_BE_TOO_LONG:
        return False
    return status not in _NOT_OF_LENGTH and error_words.says_too_long(error.words)


def _is_silent_refusal(status: int, error: ServiceError | None, service: Service) -> bool:
    """Whether the body is refused in a way that leaves open whether its length is the reason."""
    if error is None or not (error.code or error.message):
        return status == 400
    return error.code in service.vague_codes and not error_words.speaks_of_output(error.message)


def _is_unknown_model(status: int, error: ServiceError | None, kind: ErrorKind | None) -> bool:
    """Whether the service has no model of that name: by the code, or by the words."""
    if kind is ErrorKind.UNKNOWN_MODEL:
        return True
    if error is None or kind not in {None, ErrorKind.INVALID} or error.form is Form.PAGE:
        return False
    if status == 404 or error.error_type == "not_found_error":
        is_named = error_words.speaks_of_model(error.message)
        return is_named or error_words.says_no_such_model(error.words)
    return status not in _NOT_OF_LENGTH and error_words.says_no_such_model(error.words)


def is_from_elsewhere(status: int, error: ServiceError | None) -> bool:
    """Whether something else than a service for messages seems to have answered."""
    if status < 400:
        return error is None or error.form is not Form.SERVICE
    if status in _NO_SERVICES_OWN:
        return True
    is_page = error is not None and error.form in {Form.PAGE, Form.TEXT}
    return is_page and status < 500 and status not in _OF_THE_WAY


def _speaks_of_key(error: ServiceError | None) -> bool:
    return (
        error is not None
        and error.form is Form.SERVICE
        and (error.error_type == "authentication_error" or _is_about_key(error.message))
    )


def _is_about_key(text: str) -> bool:
    """Whether `text` is about the key itself, and not about what it may be used for."""
    return error_words.speaks_of_key(text) and not error_words.speaks_of_model(text)


def trouble_of(status: int) -> str | None:
    """What a bare HTTP `status` says of the backend; None where the request may be at fault."""
    if status in {429, 529}:
        return api.OVERLOADED
    return api.FAILING if status >= 500 else None


def refuses_key(status: int, error: ServiceError | None, service: Service) -> bool:
    """Whether an answer with HTTP `status` means that the key is wrong."""
    kind = service.error_kind(error.code if error else None)
    return kind is ErrorKind.KEY or (status in (401, 403) and not knows_key(error, service))


def knows_key(error: ServiceError | None, service: Service) -> bool:
    """Whether `error` speaks of the plan or account behind the key, which is right then."""
    return error is not None and service.error_kind(error.code) in _OF_A_KNOWN_KEY


def _bad_key(backend: str, said: str) -> Failure:
    cure = f"Store the right one: `offramp key set {backend}`."
    message = f"{backend} refused the key that Offramp sends. {cure} {said}"
    return Failure(status=403, message=message, headers=_FINAL, trouble=api.KEY_REFUSED)
