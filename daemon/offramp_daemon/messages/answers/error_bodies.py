"""Reads what another service sends in place of an answer: its own errors, and what is none of them.

A wrong address is answered by whatever stands there: a web page, a framework's "Not Found", plain
text. These are told apart from the errors of a service for messages, since they call for another
cure. Of a page nothing is kept but a short title. Pure.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from offramp_core.redaction import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    Redact = Callable[[str], str]

_REDIRECT_STATUS = 300
_ERROR_STATUS = 400
_EVENT = re.compile(rb"\s*(?:event|data|id|retry)?:")
_DATA = b"data:"
_CODE_IN_MESSAGE = re.compile(r"\[([0-9]{4})\]")
_BODY_LIMIT_BYTES = 1024 * 1024
"""A longer body is not an error, and would become a great many objects."""
_MESSAGE_LIMIT = 1000
_READ_LIMIT = 8 * _MESSAGE_LIMIT
"""So much of a message is searched for keys, so that none is cut in half before."""
_CODE_LIMIT = 64
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]+", re.ASCII)
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[A-Za-z!?]")
_TITLE = re.compile(rb"<(title|h1)[^>]{0,200}>([^<]{1,200})<", re.I)
_SAFE = re.compile(r"[A-Za-z0-9 .,:'!()/-]{1,60}", re.ASCII)
_LONG_WORD = re.compile(r"[^ ]{16,}")
"""Words of a title are shorter; a key, an id or an address is not."""
_LOOKED_AT_BYTES = 4096
_GOOD_CODES = frozenset({"0", "200", "ok", "OK", "success", "SUCCESS"})
_MESSAGE_KEYS = ("message", "msg", "detail", "error_description", "error_msg", "title", "reason")


class Form(Enum):
    """Who speaks in an error's body, by its form."""

    SERVICE = "an error"
    """A service for messages."""
    JSON = "JSON of another kind"
    """A framework or a gateway that knows nothing of messages."""
    PAGE = "a web page"
    TEXT = "plain text"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceError:
    """What an error body of a delegate says; `code` is its own, as text."""

    code: str | None
    message: str
    error_type: str | None = None
    """The error's type by name, as Anthropic and others write it: `not_found_error`."""
    form: Form = Form.SERVICE
    unshown: str = ""
    """What else it says: to be searched for what it means, and neither shown nor written down."""

    @property
    def words(self) -> str:
        """All that it says, only to be searched."""
        return self.message or self.unshown


def read_error(body: bytes, redact: Redact = mask_credentials) -> ServiceError | None:
    """The error in `body`, in any of the shapes that delegates use; None if it holds none.

    `redact` takes out of a text what nobody is to see.
    """
    answer = _answer_in(body)
    return _fit(_error_in(answer), redact) if isinstance(answer, dict) else None


def read_page(body: bytes, redact: Redact = mask_credentials) -> ServiceError | None:
    """The web page in `body`; None if it is none."""
    return _fit(_page_in(body), redact)


def read_refusal(
    body: bytes, status: int, redact: Redact = mask_credentials
) -> ServiceError | None:
    """What `body` says that came with HTTP `status`; None if it is a message, or says nothing.

    Torn JSON, as of an answer that is too long to be read, says nothing.
    """
    return _fit(_refusal_in(body, status), redact)


def _page_in(body: bytes) -> ServiceError | None:
    if _PAGE.match(body) is None:
        return None
    found = _TITLE.search(body[:_LOOKED_AT_BYTES])
    return ServiceError(code=None, message=_safe(found[2]) if found else "", form=Form.PAGE)


def _refusal_in(body: bytes, status: int) -> ServiceError | None:
    if not body.strip():
        return None
    answer = _answer_in(body)
    if isinstance(answer, dict):
        error = _error_in(answer)
        if error is not None or (status < _REDIRECT_STATUS and _is_message(answer)):
            return error
        return _of_another_kind(answer, status)
    page = _page_in(body)
    if page is not None:
        return page
    if answer is not None:
        return ServiceError(code=None, message="", form=Form.JSON)
    if body.lstrip().startswith(b"{"):
        return None
    text = body[:_LOOKED_AT_BYTES]
    return ServiceError(
        code=None,
        message=_safe(text),
        form=Form.TEXT,
        unshown=_unshown(text.decode("utf-8", "replace"), status),
    )


def _error_in(answer: dict[str, Any]) -> ServiceError | None:
    error = answer.get("error")
    if isinstance(error, dict):
        inner = error.get("error")
        if isinstance(inner, dict) and not (error.keys() & {"code", "message"}):
            error = inner
        code = error.get("code")
        return _service_error(code, error.get("message"), error.get("type"))
    if isinstance(error, str):
        # Spring writes the status's name there, beside the time and the path.
        is_framework = "timestamp" in answer or "path" in answer or "status" in answer
        text = answer.get("message") or error
        form = Form.JSON if is_framework else Form.SERVICE
        return _service_error(None, text if is_framework else error, form=form)
    if "detail" in answer and "type" not in answer:
        return _of_detail(answer["detail"])
    if answer.get("success") is False:
        return _of_no_success(answer)
    if answer.get("object") == "error":
        return _service_error(answer.get("code"), answer.get("message"), answer.get("type"))
    if "type" in answer or "content" in answer:
        return None
    code, message = answer.get("code"), answer.get("message", answer.get("msg"))
    if isinstance(message, str) and isinstance(code, str | int) and str(code) not in _GOOD_CODES:
        return _service_error(code, message, form=Form.JSON)
    return None


def _of_no_success(answer: dict[str, Any]) -> ServiceError:
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if "code" not in answer and isinstance(first, dict):
        return _service_error(None, first.get("message"), form=Form.JSON)
    return _service_error(answer.get("code"), answer.get("msg", answer.get("message")))


def _of_detail(detail: object) -> ServiceError:
    """FastAPI's `detail`, in which a gateway may have put another service's whole error."""
    if isinstance(detail, dict):
        found = _error_in(detail) if "error" in detail else None
        if found is not None:
            return found
        message = detail.get("message", detail.get("msg"))
        return _service_error(detail.get("code"), message, detail.get("type"))
    return _service_error(None, _detail(detail))


def _of_another_kind(answer: dict[str, Any], status: int) -> ServiceError:
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    said = {**first, **answer} if isinstance(first, dict) else answer
    texts = [text for key in _MESSAGE_KEYS if isinstance(text := said.get(key), str)]
    # No service's words are known to stand there: it may as well be what somebody wrote.
    return ServiceError(
        code=None,
        message=_safe(texts[0].encode("utf-8", "replace")) if texts else "",
        form=Form.JSON,
        unshown=_unshown("\n".join(texts), status),
    )


def _unshown(text: str, status: int) -> str:
    """What is searched of `text`, which came in place of an error; nothing without an error."""
    return text[:_LOOKED_AT_BYTES] if status >= _ERROR_STATUS else ""


def _answer_in(body: bytes) -> Any:
    """`body` as JSON, be it the only item of a list, or the data of an event."""
    answer = _decode(body)
    if answer is None and _EVENT.match(body) is not None:
        lines = (line.strip() for line in body.splitlines())
        data = (line[len(_DATA) :] for line in lines if line.startswith(_DATA))
        answer = _decode(next(data, b""))
    if isinstance(answer, list) and len(answer) == 1:
        return answer[0]
    return answer


def _is_message(answer: dict[str, Any]) -> bool:
    return answer.get("type") == "message" or isinstance(answer.get("content"), list)


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


def _service_error(
    code: object, message: object, error_type: object = None, *, form: Form = Form.SERVICE
) -> ServiceError:
    text = message[:_READ_LIMIT] if isinstance(message, str) else ""
    named = _identifier(code)
    if named is None:
        in_message = _CODE_IN_MESSAGE.match(text)
        named = in_message[1] if in_message else None
    return ServiceError(code=named, message=text, error_type=_identifier(error_type), form=form)


def _fit(error: ServiceError | None, redact: Redact) -> ServiceError | None:
    """The error, its texts fit to be shown: bounded, whole characters, and no key in them."""
    if error is None:
        return None
    text = redact(error.message)[:_MESSAGE_LIMIT].encode("utf-8", "replace").decode()
    return dataclasses.replace(
        error,
        code=_unless_secret(error.code, redact),
        message=text,
        error_type=_unless_secret(error.error_type, redact),
    )


def _unless_secret(name: str | None, redact: Redact) -> str | None:
    return name if name is not None and redact(name) == name else None


def _identifier(value: object) -> str | None:
    """`value` as a name, which is sure to hold no content; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    is_name = len(text) <= _CODE_LIMIT and _IDENTIFIER.fullmatch(text) is not None
    return text if is_name else None


def _safe(text: bytes) -> str:
    """A short text of plain words; empty if it may be more than that."""
    words = " ".join(text.decode("utf-8", "replace").split())
    is_plain = _SAFE.fullmatch(words) is not None and _LONG_WORD.search(words) is None
    return words if is_plain else ""


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
