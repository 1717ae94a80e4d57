"""The errors that a client sees, in Anthropic's shape, and what other services' errors mean.

Anthropic's own error bodies never come here: they pass untouched. Pure; no socket.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from offramp_core.control import api
from offramp_core.redaction import mask_credentials
from offramp_core.services import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offramp_core.services import Service

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
_OF_A_KNOWN_KEY = frozenset({ErrorKind.QUOTA, *_TRANSIENT, *_ACCOUNT})

_CODE_IN_MESSAGE = re.compile(r"\[([0-9]{4})\]")
_BODY_LIMIT_BYTES = 1024 * 1024
"""A longer body is no error, and would become a great many objects."""
_MESSAGE_LIMIT = 1000
_CODE_LIMIT = 20


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
    is_of_model: bool = False
    """Whether only that one model is in trouble."""
    is_internal: bool = False
    """Whether it is Offramp's own fault."""

    @property
    def error_type(self) -> str:
        """Anthropic's name for this kind of error."""
        return _TYPES.get(self.status, "api_error")

    def body(self) -> bytes:
        """The error as Anthropic writes it."""
        error = {"type": self.error_type, "message": self.message}
        return json.dumps({"type": "error", "error": error}).encode()


class RequestFailedError(Exception):
    """Ends the handling of a request with a `Failure` for the client."""

    def __init__(self, failure: Failure) -> None:
        """Keep `failure`."""
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceError:
    """What an error body of a delegate says; `code` is its own, as text."""

    code: str | None
    message: str


def read_error(body: bytes) -> ServiceError | None:
    """The error in `body`, in any of the shapes that delegates use; None if it holds none."""
    answer = _decode(body)
    if not isinstance(answer, dict):
        return None
    error = answer.get("error")
    if isinstance(error, dict):
        return _service_error(error.get("code"), error.get("message"))
    if isinstance(error, str):
        return _service_error(None, error)
    if "detail" in answer and "type" not in answer:
        return _service_error(None, _detail(answer["detail"]))
    if answer.get("success") is False:
        return _service_error(answer.get("code"), answer.get("msg"))
    return None


def from_delegate(
    backend: str, status: int, error: ServiceError | None, service: Service
) -> Failure:
    """What the client gets when `backend`, which is `service`, refused with HTTP `status`.

    The client's own login is never at fault here, so nothing becomes a 401, which would make it
    log in again; and a spent quota is final, or it would be asked for ten times more.
    """
    code = error.code if error else None
    kind = service.error_kind(code)
    said = f"{backend} says: {error.message}" if error and error.message else f"{backend} answered"
    said += f" (code {code})" if code else f" (HTTP {status})"
    if kind is ErrorKind.QUOTA:
        hint = f"The {backend} quota is spent. Choose a model that stays on Claude, or wait."
        return Failure(status=429, message=f"{hint} {said}", headers=_FINAL, trouble=api.LIMIT)
    if kind in _TRANSIENT:
        return Failure(status=429, message=said, trouble=_TRANSIENT[kind])
    if kind is ErrorKind.KEY or (code is None and status == 403):
        return _bad_key(backend, said)
    if kind in _ACCOUNT:
        return Failure(
            status=403,
            message=said,
            headers=_FINAL,
            trouble=api.ACCOUNT,
            is_of_model=kind is ErrorKind.NO_SUCH_MODEL,
        )
    if kind is ErrorKind.TOO_LONG:
        # Claude Code compacts the conversation when it reads these words.
        return Failure(status=400, message=f"prompt is too long: {said}")
    if kind is ErrorKind.INVALID or status == 422:  # FastAPI's status for a bad body
        return Failure(status=400, message=said)
    if kind is ErrorKind.SERVER:
        return Failure(status=500, message=said, trouble=api.FAILING)
    if status < 400:
        message = f"{said}, which is no answer to a message."
        return Failure(status=502, message=message, trouble=api.FAILING)
    if status == 401:
        return _bad_key(backend, said)
    # 404 is what a wrong address gives; a delegate's own message would have come with a code.
    trouble = api.FAILING if status == 404 else trouble_of(status)
    return Failure(status=status, message=said, trouble=trouble)


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
    hint = f"{backend} refused the key that Offramp sends. Check it with `offramp config show`."
    message = f"{hint} {said}"
    return Failure(status=403, message=message, headers=_FINAL, trouble=api.KEY_REFUSED)


def _decode(body: bytes) -> Any:
    """`body` as JSON; None if it is none. Only the standard library takes lone surrogates."""
    if len(body) > _BODY_LIMIT_BYTES:
        return None
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _service_error(code: object, message: object) -> ServiceError:
    """The error, its message fit to be shown: bounded, whole characters, and no key in it."""
    text = message[: 2 * _MESSAGE_LIMIT] if isinstance(message, str) else ""
    text = mask_credentials(text)[:_MESSAGE_LIMIT].encode("utf-8", "replace").decode()
    if isinstance(code, str | int) and code != "":
        return ServiceError(code=str(code)[:_CODE_LIMIT], message=text)
    in_message = _CODE_IN_MESSAGE.match(text)
    return ServiceError(code=in_message[1] if in_message else None, message=text)


def _detail(detail: object) -> str:
    """FastAPI's account of a bad body: where and what, without the input, which is the prompt."""
    if isinstance(detail, str):
        return detail
    faults = detail if isinstance(detail, list) else []
    return "; ".join(_fault(fault) for fault in faults if isinstance(fault, dict))


def _fault(fault: dict[str, Any]) -> str:
    loc, what = fault.get("loc"), fault.get("msg")
    parts = loc if isinstance(loc, list) else ["body"]
    where = ".".join(str(part) for part in parts if isinstance(part, str | int))
    return f"{where}: {what}" if isinstance(what, str) else where
