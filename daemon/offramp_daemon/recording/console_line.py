"""Says of a finished request what the console shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_daemon.recording.console import RequestLine
from offramp_daemon.routing.router import tier_of

if TYPE_CHECKING:
    from offramp_daemon.exchange import Exchange


def console_line(exchange: Exchange) -> RequestLine:
    """The line for `exchange`."""
    usage = exchange.meter.usage if exchange.meter else None
    decision = exchange.decision if exchange.is_routed else None
    is_delegated = decision is not None and decision.is_delegated
    return RequestLine(
        tier=tier_of(exchange.model, decision),
        backend=decision.backend.name if decision else "-",
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
        elapsed_ms=exchange.elapsed_ms,
        status=exchange.status or "error",
        http_status=exchange.http_status,
        reason=_notable_reason(exchange),
        prompt=exchange.prompt,
        masked_key=None if is_delegated else exchange.masked_key,
    )


def _notable_reason(exchange: Exchange) -> str | None:
    """Why it failed, else why it was routed so, unless the rules were simply followed."""
    if exchange.cause is not None:
        return exchange.cause
    if exchange.reason is not None or not exchange.is_routed:
        return exchange.reason
    return None if exchange.decision.is_ordinary else exchange.decision.reason
