"""Answers of a service that repeats a key, in whatever place an error has for one."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING

import zstandard
from raw_upstream import SSE_HEAD, START, chunk, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable


def in_json(spelt: str) -> str:
    """`spelt` inside a JSON string: as it is, if it can stand there."""
    try:
        json.loads(f'"{spelt}"')
    except ValueError:
        return json.dumps(spelt)[1:-1]
    return spelt


def answered(template: str, status: str = "401 No") -> Callable[[str], bytes]:
    """An answer with a body of JSON, KEY in it standing for the key."""
    return lambda spelt: json_answer(
        template.replace("KEY", in_json(spelt)).encode(), status=status
    )


def of_type(content_type: str, template: str, status: str = "403 No") -> Callable[[str], bytes]:
    def answer(spelt: str) -> bytes:
        body = template.replace("KEY", spelt).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n".encode() + body

    return answer


def coded(coding: str, compress: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    def answer(spelt: str) -> bytes:
        body = json.dumps({"error": {"code": "1210", "message": f"bad key {spelt}"}}).encode()
        headers = f"Content-Encoding: {coding}\r\n".encode()
        return json_answer(compress(body), status="400 No", headers=headers)

    return answer


def streamed(template: str, before: bytes = b"") -> Callable[[str], bytes]:
    def answer(spelt: str) -> bytes:
        event = template.replace("KEY", in_json(spelt)).encode()
        return SSE_HEAD + chunk(before + event + b"\n\n") + b"0\r\n\r\n"

    return answer


def after(length: int) -> Callable[[str], bytes]:
    """A long message with the key so far in."""
    return answered('{"error": {"code": "1210", "message": "%s KEY"}}' % ("é " * (length // 2)))


def with_header(name: str) -> Callable[[str], bytes]:
    def answer(spelt: str) -> bytes:
        headers = f"{name}: {spelt}\r\n".encode()
        return json_answer(b'{"error": {"message": "m"}}', status="429 No", headers=headers)

    return answer


ECHOES: dict[str, Callable[[str], bytes]] = {
    "openai": answered('{"error": {"message": "bad key KEY", "code": "1210"}}', "400 No"),
    "anthropic": answered('{"type": "error", "error": {"type": "x_error", "message": "KEY"}}'),
    "quoted": answered('{"error": {"message": "Authorization: Bearer KEY was refused"}}'),
    "code": answered('{"error": {"message": "bad", "code": "KEY"}}', "400 No"),
    "type": answered('{"error": {"message": "bad", "type": "KEY"}}', "400 No"),
    "name": answered('{"KEY": {"KEY": 1}, "error": {"KEY": "KEY", "message": "KEY"}}', "400 No"),
    "place": answered('{"detail": [{"loc": ["headers", "KEY"], "msg": "KEY is wrong"}]}', "422 No"),
    "detail": answered('{"detail": "KEY"}', "404 No"),
    "gateway": answered('{"errors": [{"message": "KEY"}], "title": "KEY"}', "404 No"),
    "spring": answered('{"error": "KEY", "path": "/KEY", "message": "no KEY"}', "404 No"),
    "failed": answered('{"success": false, "code": "KEY", "msg": "KEY"}', "200 OK"),
    "long": answered('{"error": {"message": "prompt is too long for KEY"}}', "400 No"),
    "unknown model": answered('{"error": {"message": "no such model: KEY"}}', "404 No"),
    "list": answered('[{"error": {"message": "bad key KEY", "code": 1210}}]', "400 No"),
    "page": of_type("text/html", "<html><title>KEY</title><h1>KEY</h1></html>"),
    "heading": of_type("text/html", "<h1>No KEY</h1>", "502 Bad"),
    "text": of_type("text/plain", "KEY"),
    "text about it": of_type("text/plain", "bad KEY", "200 OK"),
    "torn": of_type("application/json", '{"error": {"message": "KEY', "400 No"),
    "gzip": coded("gzip", gzip.compress),
    "deflate": coded("deflate", zlib.compress),
    "zstd": coded("zstd", zstandard.ZstdCompressor().compress),
    "twice": coded("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    "stream": streamed('event: error\ndata: {"error": {"message": "KEY", "code": "KEY"}}'),
    "begun": streamed('event: error\ndata: {"error": {"message": "KEY"}}', START),
    "unnamed": streamed('data: {"error": {"message": "no KEY", "code": "1210"}}'),
    "no event": streamed('{"error": {"message": "KEY"}}'),
    **{f"after {length}": after(length) for length in (960, 990, 1960, 7950, 70_000)},
    **{f"in {name}": with_header(name) for name in ("Retry-After", "X-Request-Id", "Server")},
}
