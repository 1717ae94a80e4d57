"""Says of a finished request what the console shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_daemon.recording.console import RequestLine
from offramp_daemon.routing.tiers import tier_of

if TYPE_CHECKING:
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.outcome import Outcome


def console_line(exchange: Exchange, outcome: Outcome) -> RequestLine:
    """The line for `exchange`, which ended with `outcome`."""
    usage = exchange.meter.usage if exchange.meter else None
    decision = exchange.decision if exchange.backend else None
    return RequestLine(
        tier=tier_of(exchange.shown_model, decision),
        backend=decision.backend.name if decision else "-",
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        elapsed_ms=exchange.elapsed_ms,
        status=outcome.status,
        http_status=outcome.http_status,
        reason=_notable_reason(exchange, outcome),
        prompt=exchange.prompt,
        masked_key=None if exchange.is_delegated else exchange.masked_key,
    )


def _notable_reason(exchange: Exchange, outcome: Outcome) -> str | None:
    """Why it failed, else why it was routed so, unless the rules were simply followed."""
    if outcome.why is not None and not outcome.was_passed_on:
        return outcome.why
    if exchange.reason is not None or exchange.backend is None:
        return exchange.reason
    return None if exchange.decision.is_ordinary else exchange.decision.reason
