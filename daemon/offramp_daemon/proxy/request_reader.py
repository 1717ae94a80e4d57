"""Reads a request in: its target checked, its body whole and bounded."""

from __future__ import annotations

from aiohttp import web

from offramp_daemon.messages.errors import Failure, RequestFailedError


def check_target(target: str) -> None:
    r"""Let pass only what can be put behind a base address without changing where that leads.

    Raises:
        RequestFailedError: `target` has another form (`//host/…`, `/\host/…`, `http://host/…`).
    """
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    if not is_path or not target.isascii():
        message = f"Offramp: the request target {target[:100]!r} is not a path."
        # A query can hold a credential, so that the diagnostics do without the target.
        diagnostic = "the request target is not a path"
        raise RequestFailedError(Failure(status=400, message=message, diagnostic=diagnostic))


async def read_body(request: web.BaseRequest, limit_bytes: int) -> bytes:
    """The body as it came, up to `limit_bytes`.

    Raises:
        RequestFailedError: it is longer, or breaks HTTP's rules.
    """
    if not request.can_read_body:
        return b""
    announced = request.content_length
    if announced is not None and announced > limit_bytes:
        raise RequestFailedError(_too_large(limit_bytes))
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks: list[bytes] = []
    length = 0
    try:
        while chunk := await request.content.readany():
            chunks.append(chunk)
            length += len(chunk)
            if length > limit_bytes:
                raise RequestFailedError(_too_large(limit_bytes))
    except web.RequestPayloadError as error:
        failure = Failure(status=400, message=f"Offramp: the request body is broken: {error}")
        raise RequestFailedError(failure) from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit_bytes: int) -> Failure:
    limit = f"{limit_bytes / (1024 * 1024):g} MiB"
    return Failure(status=413, message=f"Offramp: the request is larger than {limit}.")
