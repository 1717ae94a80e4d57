"""Makes a request body fit for the backend that it goes to, changing only what has to change.

Towards Anthropic only a history that it would refuse is repaired; without faults the body leaves as
the very bytes that came. Towards other backends it is a deterministic function of the body and the
backend's settings, the same for count_tokens, so that the backend's prefix cache holds from turn to
turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_core.model_limits import limits_for
from offramp_core.services.service import LONG_CONTEXT_SUFFIX
from offramp_daemon.messages import json_splice
from offramp_daemon.messages.answers.errors import Failure, RequestFailedError
from offramp_daemon.messages.delegate import delegate_body, model_fit
from offramp_daemon.messages.history import thinking_field
from offramp_daemon.messages.history.history_survey import survey
from offramp_daemon.messages.history.history_writer import AsTheyCame, HistoryWriter
from offramp_daemon.messages.history.thinking import NO_SIGNER, signer_of
from offramp_daemon.messages.json_splice import Part, Piece, SpliceError

if TYPE_CHECKING:
    from offramp_core.settings import Backend, Route
    from offramp_daemon.messages.history.history_survey import Repairs
    from offramp_daemon.messages.history.thinking import Signer
    from offramp_daemon.messages.request_body import RequestBody


def for_client_backend(body: RequestBody, backend: Backend, *, strip_all: bool = False) -> bytes:
    """`body` for the backend that gets the client's request as it came, its history repaired.

    A body that can't be taken apart goes as it came too: the backend says what is wrong with it.
    """
    if (
        body.continued_thread is not None
    ):  # what stands before its messages is not here to be judged
        return body.raw
    repairs = survey(body, _claude(backend), "claude", strip_all=strip_all)
    if repairs.is_none():
        return body.raw
    is_loop_broken = repairs.breaks_tool_loop and thinking_field.is_enabled(body)
    return _repaired(body, repairs, turns_thinking_off=is_loop_broken)


def without_thinking(body: RequestBody, backend: Backend) -> bytes:
    """`body` with no thinking in its history: for one more try after a signature was refused.

    Adaptive thinking stays on. The `enabled` form demands thinking in the history, so it goes.
    """
    if body.continued_thread is not None:
        return body.raw
    repairs = survey(body, _claude(backend), "claude", strip_all=True)
    return _repaired(body, repairs, turns_thinking_off=True)


def _repaired(body: RequestBody, repairs: Repairs, *, turns_thinking_off: bool) -> bytes:
    try:
        parts, pieces = json_splice.split(body.source)
        is_changed = turns_thinking_off and thinking_field.turn_off(body, parts)
        written = pieces
        if pieces is not None and not repairs.is_none():
            written = HistoryWriter(repairs, AsTheyCame()).write(body, pieces)
            is_changed = is_changed or written is not pieces
    except SpliceError:
        return body.raw
    return _finish(body, parts, written) if is_changed else body.raw


def for_delegate(
    body: RequestBody,
    backend: Backend,
    route: Route | None = None,
    *,
    delegates: frozenset[str] | None = None,
    strip_all: bool = False,
) -> bytes:
    """Make `body` fit for a backend that speaks Anthropic's protocol with quirks of its own.

    `route` says which model is sent, and may set its limits. `delegates` names all backends beside
    Claude that the settings can lead to; None: only this one.

    Raises:
        RequestFailedError: it can't be taken apart, so nothing could be left out of it.
    """
    limits = limits_for(backend, route, body.model)
    try:
        parts, pieces = json_splice.split(body.source)
        signer = signer_of(backend.name, backend.own_thinking, delegates)
        signer = NO_SIGNER if strip_all else signer
        written = delegate_body.keep_accepted(body, backend, limits, parts, pieces, signer)
    except SpliceError as error:
        failure = Failure(status=400, message=f"The request body can't be read: {error}")
        raise RequestFailedError(failure) from error
    model_fit.fit(parts, limits)
    model = _plain_name((route.send_model if route else None) or body.model)
    if model is not None and model != body.model:
        parts["model"] = json_splice.value_text(model)
    return _finish(body, parts, written)


def _claude(backend: Backend) -> Signer:
    """The backend that gets the client's own credentials, as a signer of thinking."""
    return signer_of(backend.name, backend.own_thinking)


def _plain_name(model: str | None) -> str | None:
    """`model` without the `[1m]` that some clients write behind it."""
    if model is not None and model.lower().endswith(LONG_CONTEXT_SUFFIX):
        return model[: -len(LONG_CONTEXT_SUFFIX)]
    return model


def _finish(body: RequestBody, parts: dict[str, Piece], messages: list[Piece] | None) -> bytes:
    """Join `parts`, with `messages` as those of the request."""
    whole: dict[str, Part] = {**parts}
    if messages is not None and "messages" in whole:
        whole["messages"] = messages
    joined = json_splice.join_members(whole)
    return body.surrogates.restore(joined) if body.surrogates.taken else joined
