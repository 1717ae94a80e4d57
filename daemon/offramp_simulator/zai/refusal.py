"""An error of Z.ai's, in each of the shapes that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offramp_simulator.service.events import json_bytes

if TYPE_CHECKING:
    from offramp_simulator.service.request_view import JsonObject

_ERRORS = {
    "1000": (401, "Authentication Failed"),
    "1001": (401, "Authentication parameter not received in Header, unable to authenticate"),
    "1113": (429, "Insufficient balance or no resource package. Please recharge."),
    "1200": (500, "API Call Failure"),
    "1210": (400, "Invalid API parameter, please check the documentation."),
    "1211": (400, "Unknown Model, please check the model code."),
    "1230": (500, "API call process error"),
    "1234": (500, "Network error, error id: simulated, please contact customer service"),
    "1261": (400, "Prompt exceeds max length"),
    "1301": (400, "System detected potentially unsafe or sensitive content in input"),
    "1302": (429, "High concurrency usage of this API, please reduce concurrency"),
    "1305": (429, "The service may be temporarily overloaded, please try again later"),
    "1308": (429, "Usage limit reached for 5 hour. Your limit will reset at 2026-01-01 00:00:00"),
    "1309": (429, "Your GLM Coding Plan package has expired"),
    "1310": (429, "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-01-01 00:00:00"),
    "1311": (429, "The current subscription plan does not include access to this model"),
}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error of Z.ai's; `detail` is the third shape, a failed validation's."""

    code: str = "1210"
    message: str = ""
    detail: JsonObject | None = None
    status: int = 0

    def http_status(self) -> int:
        """The status that belongs to it."""
        if self.detail is not None:
            return 422
        return self.status or _ERRORS.get(self.code, (500 if self.code[1] == "2" else 429, ""))[0]

    def body(self, request_id: str, *, is_typed: bool = False) -> bytes:
        """The body; `is_typed` chooses the Anthropic-like of the two shapes."""
        if self.detail is not None:
            return json_bytes({"detail": [self.detail]})
        message = self.message or _ERRORS.get(self.code, (0, "Request failed"))[1]
        if not is_typed:
            error = {"code": self.code, "message": message}
            return json_bytes({"error": error, "request_id": request_id})
        return json_bytes(self.typed(request_id))

    def typed(self, request_id: str) -> JsonObject:
        """The Anthropic-like shape, as in a stream's `error` event too."""
        message = self.message or _ERRORS.get(self.code, (0, "Request failed"))[1]
        kind = _ERROR_TYPES.get(self.http_status(), "api_error")
        wrapped = f"[{self.code}][{message}][{request_id}]"
        return {"type": "error", "error": {"type": kind, "code": self.code, "message": wrapped}}
