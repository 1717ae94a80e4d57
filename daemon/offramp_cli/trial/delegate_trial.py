"""Sends the delegate one request through the daemon, and finds out who answered.

The request counts the tokens of one word, which costs nothing. It carries no credential but the
client token, if one is set, and is sent only if the daemon would send it on to the delegate.
"""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_cli.daemon_client import client_for
from offramp_cli.trial.result import TrialResult
from offramp_core.control.client import ControlError, NotRunningError
from offramp_core.redaction import mask_credentials
from offramp_core.services import DELEGATE
from offramp_core.setup import model_choices
from offramp_core.wording.formatting import printable
from offramp_daemon.wire.headers import ANSWERED_BY, NOBODY, TOKEN_HEADER

if TYPE_CHECKING:
    from offramp_core.control.api import BackendStatus, Status
    from offramp_core.paths import Paths
    from offramp_core.settings import Settings

_PATH = "/v1/messages/count_tokens"
_LIMIT_S = 30.0
_MOST_BYTES = 64 * 1024
_DOCTOR = "offramp doctor looks at each part and says what to do."


def run(paths: Paths, settings: Settings, *, limit_s: float = _LIMIT_S) -> TrialResult:
    """Try it; blocks for `limit_s` at most each time that something is waited for."""
    try:
        status = client_for(paths).status()
    except NotRunningError:
        return _failed("The daemon is not running.", "Start it: offramp start, or offramp serve")
    except ControlError as error:
        return _failed(error.title, error.hint)
    delegate = next((each for each in status.backends if each.name == DELEGATE.name), None)
    tiers = [t for t in model_choices.TIERS if model_choices.is_delegated(settings.routes, t)]
    if problem := _obstacle(status, delegate, has_route=bool(tiers)):
        return problem
    return _ask(paths, status, f"claude-{tiers[0]}-4-5", settings, limit_s)


def _obstacle(
    status: Status, delegate: BackendStatus | None, *, has_route: bool
) -> TrialResult | None:
    """Why the request would go to Claude, where that is known beforehand."""
    title = DELEGATE.title
    if delegate is None or delegate.key == "missing":
        note = f" ({delegate.key_note})" if delegate and delegate.key_note else ""
        return _failed(
            f"The daemon has no key for {title}{note}: Claude serves everything.",
            "Store one: offramp key set",
        )
    if status.pause is not None:
        return _skipped("Delegation is paused: Claude serves everything.", "offramp resume ends it")
    if status.delegation == "never":
        return _skipped("Delegation is off in the settings: Claude serves everything.")
    if not has_route:
        return _skipped(f"No route uses {title}: Claude serves Sonnet and Haiku.")
    return None


def _ask(
    paths: Paths, status: Status, model: str, settings: Settings, limit_s: float
) -> TrialResult:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    if settings.client_token is not None:
        headers[TOKEN_HEADER] = settings.client_token.reveal()
    connection = http.client.HTTPConnection(urlsplit(status.address).netloc, timeout=limit_s)
    try:
        connection.request("POST", _PATH, json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return _failed(f"The daemon did not answer at {status.address}: {why}.", _DOCTOR)
    finally:
        connection.close()
    answered_by = answer.headers.get(ANSWERED_BY)
    is_refused = answer.status >= http.HTTPStatus.BAD_REQUEST
    if answered_by is None and is_refused and status.delegation != "auto":
        return _refused(answer.status, said)
    if answered_by != DELEGATE.name:
        return _elsewhere(paths, answered_by)
    return TrialResult(
        of=DELEGATE.name,
        outcome="ok",
        text=f"{DELEGATE.title} answered through Offramp. The request was free.",
    )


def _elsewhere(paths: Paths, answered_by: str | None) -> TrialResult:
    title = DELEGATE.title
    if answered_by is None:
        return _skipped(f"The daemon sent the request to Claude and not to {title}.", _DOCTOR)
    if answered_by != NOBODY:
        return _failed(f"{printable(answered_by)} answered, and not {title}.", _DOCTOR)
    return _failed(f"{title} did not answer through Offramp{_last_error(paths)}.", _DOCTOR)


def _last_error(paths: Paths) -> str:
    try:
        backends = client_for(paths).status().backends
    except ControlError:
        return ""
    errors = [each.last_error for each in backends if each.name == DELEGATE.name]
    return f": {errors[0].why.rstrip('.')}" if errors and errors[0] else ""


def _refused(status: int, said: bytes) -> TrialResult:
    try:
        message = str(json.loads(said)["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        message = ""
    words = " ".join(printable(mask_credentials(message[:300])).split())
    text = f"The request was refused with HTTP {status}{f': {words}' if words else ''}"
    return _failed(f"{text.rstrip('.')}.", _DOCTOR)


def _failed(text: str, hint: str = "") -> TrialResult:
    return TrialResult(of=DELEGATE.name, outcome="failed", text=text, hint=hint)


def _skipped(text: str, hint: str = "") -> TrialResult:
    return TrialResult(of=DELEGATE.name, outcome="skipped", text=text, hint=hint)
