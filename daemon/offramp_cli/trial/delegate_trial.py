"""Sends the delegate one request through the daemon, and finds out who answered.

The request counts the tokens of one word, which costs nothing. It carries no credential but the
client token, if one is set, and is sent only if the daemon would send it on to the delegate.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_cli.daemon_client import client_for
from offramp_cli.trial.result import TrialResult
from offramp_core.config import tier_models
from offramp_core.control.client import ControlError, NotRunningError
from offramp_core.redaction import mask_credentials
from offramp_core.services import DELEGATE
from offramp_core.settings import ANTHROPIC
from offramp_core.setup import model_choices
from offramp_core.wording.formatting import backend_name, printable
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
    """Try it; blocks for `limit_s` at most each time that something is waited for.

    It is the delegate that serves Sonnet; failing that the one that serves Haiku.
    """
    serving = {tier: tier_models.serving(settings.routes, tier) for tier in model_choices.TIERS}
    tier, name = next(
        ((tier, model.backend) for tier, model in serving.items() if model.backend != ANTHROPIC),
        ("", DELEGATE.name),
    )
    return _Trial(paths, settings, name, limit_s).of_tier(tier)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One trial of the delegate `name`."""

    paths: Paths
    settings: Settings
    name: str
    limit_s: float

    @property
    def _title(self) -> str:
        return backend_name(self.name)

    def of_tier(self, tier: str) -> TrialResult:
        """Ask for a model of that tier, which is empty where no route leads to the delegate."""
        try:
            status = client_for(self.paths).status()
        except NotRunningError:
            start = "Start it: offramp start, or offramp serve"
            return self._failed("The daemon is not running.", start)
        except ControlError as error:
            return self._failed(error.title, error.hint)
        delegate = next((each for each in status.backends if each.name == self.name), None)
        return self._obstacle(status, delegate, tier) or self._ask(status, f"claude-{tier}-4-5")

    def _obstacle(
        self, status: Status, delegate: BackendStatus | None, tier: str
    ) -> TrialResult | None:
        """Why the request would go to Claude, where that is known beforehand."""
        if delegate is None or delegate.key == "missing":
            note = f" ({delegate.key_note})" if delegate and delegate.key_note else ""
            key = "offramp key set" + ("" if self.name == DELEGATE.name else f" {self.name}")
            return self._failed(
                f"The daemon has no key for {self._title}{note}: Claude serves everything.",
                f"Store one: {key}",
            )
        if status.pause is not None:
            text = "Delegation is paused: Claude serves everything."
            return self._skipped(text, "offramp resume ends it")
        if status.delegation == "never":
            return self._skipped("Delegation is off in the settings: Claude serves everything.")
        if not tier:
            return self._skipped(f"No route uses {self._title}: Claude serves Sonnet and Haiku.")
        return None

    def _ask(self, status: Status, model: str) -> TrialResult:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
        if self.settings.client_token is not None:
            headers[TOKEN_HEADER] = self.settings.client_token.reveal()
        address = urlsplit(status.address).netloc
        connection = http.client.HTTPConnection(address, timeout=self.limit_s)
        try:
            connection.request("POST", _PATH, json.dumps(body), headers)
            answer = connection.getresponse()
            said = answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            return self._failed(f"The daemon did not answer at {status.address}: {why}.", _DOCTOR)
        finally:
            connection.close()
        answered_by = answer.headers.get(ANSWERED_BY)
        is_refused = answer.status >= http.HTTPStatus.BAD_REQUEST
        if answered_by is None and is_refused and status.delegation != "auto":
            return self._failed(_refused(answer.status, said), _DOCTOR)
        if answered_by != self.name:
            return self._elsewhere(answered_by)
        return TrialResult(
            of=self.name,
            outcome="ok",
            text=f"{self._title} answered through Offramp. The request was free.",
        )

    def _elsewhere(self, answered_by: str | None) -> TrialResult:
        if answered_by is None:
            text = f"The daemon sent the request to Claude and not to {self._title}."
            return self._skipped(text, _DOCTOR)
        if answered_by != NOBODY:
            return self._failed(
                f"{printable(answered_by)} answered, and not {self._title}.", _DOCTOR
            )
        text = f"{self._title} did not answer through Offramp{self._last_error()}."
        if self.name != DELEGATE.name:  # of Z.ai it is known that it counts tokens
            text += " It may be that it does not count tokens."
        return self._failed(text, _DOCTOR)

    def _last_error(self) -> str:
        try:
            backends = client_for(self.paths).status().backends
        except ControlError:
            return ""
        errors = [each.last_error for each in backends if each.name == self.name]
        return f": {errors[0].why.rstrip('.')}" if errors and errors[0] else ""

    def _failed(self, text: str, hint: str = "") -> TrialResult:
        return TrialResult(of=self.name, outcome="failed", text=text, hint=hint)

    def _skipped(self, text: str, hint: str = "") -> TrialResult:
        return TrialResult(of=self.name, outcome="skipped", text=text, hint=hint)


def _refused(status: int, said: bytes) -> str:
    try:
        message = str(json.loads(said)["error"]["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        message = ""
    words = " ".join(printable(mask_credentials(message[:300])).split())
    text = f"The request was refused with HTTP {status}{f': {words}' if words else ''}"
    return f"{text.rstrip('.')}."
