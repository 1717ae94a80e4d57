"""Counts for Prometheus: what has passed since the daemon's start, and how it stands now.

No session, account, prompt or credential is in it. Names of models come from clients, and reasons
may hold names: of each only so many get a series of their own, and all others share one.

Only `app` imports it, and only where the setting asks for it: prometheus_client takes time to load.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from offramp_core import __version__
from offramp_core.quota import windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from prometheus_client.metrics_core import Metric

    from offramp_core.control.api import Status
    from offramp_daemon.exchange import Exchange
    from offramp_daemon.messages.answers.outcome import Outcome

OTHER: Final = "other"
"""Stands for all names beyond those that have series of their own."""

MOST_MODELS: Final = 100
MOST_REASONS: Final = 50
MOST_SERIES: Final = 1000

_ADDED_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_NUMBER = re.compile(r"(?<![\w.-])\d[\d.,:]*(?!\w)")
_KINDS: Final = ("input", "output", "cache_creation", "cache_read")


class _Names:
    """Names that get a series of their own, as long as there are not too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def bounded(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


class Metrics:
    """One daemon's counts. `encode` is for any thread, the rest for the event loop."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Begin with nothing counted; nothing else of the process gets into it."""
        # Else each series gets a second one, which tells nothing here; the library types this not.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry(auto_describe=False)
        self._state = _StateCollector(clock)
        self._registry.register(self._state)
        self._models, self._reasons = _Names(MOST_MODELS), _Names(MOST_REASONS)
        self._series: dict[tuple[str, str, str, str], Counter] = {}
        self._token_series: dict[tuple[str, str], tuple[Counter, ...]] = {}
        self._requests = Counter(
            "offramp_requests",
            "Finished POSTs to /v1/messages.",
            ("backend", "model", "status", "reason"),
            registry=self._registry,
        )
        self._tokens = Counter(
            "offramp_tokens",
            "Tokens that the services' answers count.",
            ("backend", "model", "kind"),
            registry=self._registry,
        )
        self._added = Histogram(
            "offramp_added_seconds",
            "From a request's arrival until it was first sent to a service; reading it and waiting "
            "for a turn are in it.",
            registry=self._registry,
            buckets=_ADDED_S,
        )

    def count(self, exchange: Exchange, _outcome: Outcome) -> None:
        """Count a request that has ended; the exchange calls it, as one of its listeners."""
        if exchange.outcome is None or not exchange.is_recorded:
            return
        record = exchange.record()
        backend, model = record.backend or "none", self._models.bounded(record.model or "none")
        self._request_series(backend, model, record.status, record.reason or "none").inc()
        counts = (
            record.input_tokens,
            record.output_tokens,
            record.cache_creation_input_tokens,
            record.cache_read_input_tokens,
        )
        if any(counts):
            for series, count in zip(self._tokens_of(backend, model), counts, strict=True):
                series.inc(count)
        if exchange.sent_s is not None:
            self._added.observe(exchange.sent_s - exchange.started_s)

    def snapshot(self, status: Status, in_flight: int) -> None:
        """Have `encode` tell of this moment: of the daemon's state, and requests under way."""
        self._state.status, self._state.in_flight = status, in_flight

    def encode(self, accept: str) -> tuple[bytes, str]:
        """Return the page, and its content type, in the format that suits the header `accept`."""
        try:
            encoder, content_type = choose_encoder(accept)
            return encoder(self._registry), content_type
        except TypeError:  # what the library makes of a version that is no number
            encoder, content_type = choose_encoder("")
            return encoder(self._registry), content_type

    def _request_series(self, backend: str, model: str, status: str, reason: str) -> Counter:
        key = backend, model, status, self._reasons.bounded(_NUMBER.sub("N", reason))
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= MOST_SERIES:
                return self._requests.labels(backend, OTHER, status, OTHER)
            series = self._series[key] = self._requests.labels(*key)
        return series

    def _tokens_of(self, backend: str, model: str) -> tuple[Counter, ...]:
        series = self._token_series.get((backend, model))
        if series is None:
            shown = model if len(self._token_series) < MOST_SERIES else OTHER
            series = tuple(self._tokens.labels(backend, shown, kind) for kind in _KINDS)
            if shown == model:
                self._token_series[backend, model] = series
        return series


class _StateCollector(Collector):
    """How the daemon stands, told when it is asked."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.status: Status | None = None
        self.in_flight = 0
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        status = self.status
        if status is None:
            return
        yield InfoMetricFamily("offramp_build", "The daemon.", value={"version": __version__})
        yield GaugeMetricFamily(
            "offramp_start_time_seconds", "When the daemon started.", status.started.timestamp()
        )
        yield GaugeMetricFamily(
            "offramp_paused", "1 while delegation is paused.", float(status.pause is not None)
        )
        yield GaugeMetricFamily(
            "offramp_streams_in_flight", "Requests whose answers have not ended.", self.in_flight
        )
        yield _records(status)
        yield from _backends(status)
        yield from _quota(status, self._clock())


def _records(status: Status) -> Metric:
    family = GaugeMetricFamily(
        "offramp_records", "Records of the request log, by what became of them.", labels=("state",)
    )
    for state in ("written", "waiting", "lost"):
        family.add_metric((state,), getattr(status.records, state))
    return family


def _backends(status: Status) -> Iterator[Metric]:
    opened = GaugeMetricFamily(
        "offramp_breaker_open",
        "1 while a service is skipped, because it can't or should not serve.",
        labels=("backend", "cause"),
    )
    waiting = GaugeMetricFamily(
        "offramp_queue_waiting", "Requests that wait for their turn.", labels=("backend",)
    )
    at_once = GaugeMetricFamily(
        "offramp_queue_at_once",
        "How many requests the service takes at once, once that was learnt.",
        labels=("backend",),
    )
    for backend in status.backends:
        cause = backend.bypass.cause if backend.bypass else "none"
        opened.add_metric((backend.name, cause), float(backend.bypass is not None))
        waiting.add_metric((backend.name,), backend.waiting)
        if backend.at_once is not None:
            at_once.add_metric((backend.name,), backend.at_once)
    yield from (opened, waiting, at_once)


def _quota(status: Status, now: datetime) -> Iterator[Metric]:
    """What is known of the plans' windows at `now`; an unknown figure is left out, not 0."""
    labels = ("backend", "window")
    used = GaugeMetricFamily(
        "offramp_quota_used_ratio", "The fraction of a plan's window that is used.", labels=labels
    )
    resets = GaugeMetricFamily(
        "offramp_quota_reset_timestamp_seconds", "When a plan's window is reset.", labels=labels
    )
    for plan in status.quota:
        for window in plan.windows:
            known = windows.used_at(window, now)
            if known is not None:
                used.add_metric((plan.backend, window.name), known)
            if window.resets is not None and window.resets > now:
                resets.add_metric((plan.backend, window.name), window.resets.timestamp())
    yield from (used, resets)
