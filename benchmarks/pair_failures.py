"""The requests of `side_by_side.py` whose services fail: refusals, errors, cuts and resets."""

from __future__ import annotations

import pair_answers as answer
from pair_answers import Act, Script
from pair_requests import HAIKU, OPUS, SONNET, Command, Group, Request, ask, config, post

_QUOTA = ("1308", "1310", "1316", "1317", "1318", "1319", "1320", "1321")
_ACCOUNT = ("1113", "1309", "1311", "1313", "1314", "1315")
_KEY = ("1000", "1001", "1002", "1003", "1004", "1005")
_OF_REQUEST = {
    **dict.fromkeys(("1210", "1211", "1212", "1213", "1214", "1261", "1301"), "400 Bad Request"),
    **dict.fromkeys(("1200", "1230", "1234"), "500 Internal Server Error"),
    "1305": "429 Too Many Requests",
    "1999": "400 Bad Request",
}
"""Codes that speak of one request or of one model, so that many can share a daemon."""
_BARE = {
    "401": "401 Unauthorized",
    "403": "403 Forbidden",
    "404": "404 Not Found",
    "408": "408 Request Timeout",
    "413": "413 Payload Too Large",
    "422": "422 Unprocessable Entity",
    "429": "429 Too Many Requests",
    "500": "500 Internal Server Error",
    "502": "502 Bad Gateway",
    "503": "503 Service Unavailable",
    "529": "529 Overloaded",
}
_LASTING_STATUS = ("401", "403")

NO_WAIT = config("queue_wait_s = 0.2")


def groups() -> list[Group]:
    """All of them."""
    return [
        *(_of_whole_backend(code, "429 Too Many Requests") for code in (*_QUOTA, *_ACCOUNT)),
        *(_of_whole_backend(code, "401 Unauthorized") for code in _KEY),
        *(_of_whole_status(number) for number in _LASTING_STATUS),
        _with_status_200(),
        _codes_of_request(),
        _bare_statuses(),
        _odd_errors(),
        _streams(),
        _cut_streams(),
        _breaker(),
        _busy(),
        _unreachable_delegate(),
        _unreachable_claude(),
        _resets(),
        _from_claude(),
        _without_failover(),
    ]


def _of_whole_backend(code: str, status: str) -> Group:
    """A code in both shapes: one request meets it, the next ones go to Claude, one asks anyway."""
    text = "Usage limit reached for 5 hour. Your limit will reset at 2027-01-01 00:00:00"
    first = answer.zai_error(status, code, text)
    second = answer.zai_error_as_anthropic(status, code, text)
    return Group(
        name=f"Z.ai code {code}",
        steps=(
            post("fails over", ask(SONNET), zai=(first,)),
            post("same model goes around", ask(SONNET)),
            post("other model", ask(HAIKU, is_streamed=False)),
            post("without a login, second shape", ask(SONNET), zai=(second,), is_logged_in=False),
            post("count_tokens", ask(SONNET), target="/v1/messages/count_tokens"),
            Command(("status", "--json")),
        ),
    )


def _of_whole_status(number: str) -> Group:
    script = answer.body(b"<html>No</html>", status=_BARE[number], content_type="text/html")
    return Group(
        name=f"Z.ai status {number}",
        steps=(
            post("fails over", ask(SONNET), zai=(script,)),
            post("other model", ask(HAIKU)),
            post("without a login", ask(SONNET), zai=(script,), is_logged_in=False),
        ),
    )


def _with_status_200() -> Group:
    """Errors that come with HTTP 200, as JSON and as the first event of a stream."""
    steps: list[Request] = []
    for code in _OF_REQUEST:
        model = f"{SONNET}-{code}"
        plain = answer.zai_error("200 OK", code)
        error = {"error": {"code": code, "message": "It went wrong"}, "request_id": "r"}
        as_event = answer.stream(b"event: error\ndata: " + answer.compact(error) + b"\n\n")
        as_data = answer.stream(b"data: " + answer.compact(error) + b"\n\n")
        steps += [
            post(f"{code} as JSON", ask(model, is_streamed=False), zai=(plain,)),
            post(f"{code} as an event", ask(f"{model}-e"), zai=(as_event,)),
            post(f"{code} as data, shown", ask(f"{model}-d"), zai=(as_data,), is_logged_in=False),
        ]
    return Group(name="Z.ai errors with status 200", steps=tuple(steps))


def _codes_of_request() -> Group:
    steps: list[Request] = []
    for code, status in _OF_REQUEST.items():
        model = f"{HAIKU}-{code}"
        first = answer.zai_error(status, code, f"[{code}] the prompt is \u00fc \ud83d"[:-1])
        second = answer.zai_error_as_anthropic(status, code)
        as_number = answer.zai_error(status, int(code))
        steps += [
            post(f"{code} fails over", ask(model), zai=(first,)),
            post(f"{code}, second shape", ask(f"{model}-b"), zai=(second,)),
            post(f"{code} shown", ask(f"{model}-c"), zai=(as_number,), is_logged_in=False),
        ]
    return Group(name="Z.ai codes of one request", steps=tuple(steps))


def _bare_statuses() -> Group:
    steps: list[Request] = []
    for number, status in _BARE.items():
        if number in _LASTING_STATUS:
            continue
        model = f"{SONNET}-{number}"
        html = answer.body(b"<html>No</html>", status=status, content_type="text/html")
        empty = answer.body(b"", "Retry-After: 2", status=status)
        anthropic = answer.anthropic_error(status, "api_error", "Something")
        steps += [
            post(f"{number} fails over", ask(model), zai=(html,)),
            post(f"{number} shown", ask(f"{model}-b"), zai=(empty,), is_logged_in=False),
            post(f"{number} like Anthropic", ask(f"{model}-c"), zai=(anthropic,)),
        ]
    return Group(name="Z.ai bare statuses", steps=tuple(steps))


def _odd_errors() -> Group:
    """Errors in other services' shapes, and answers that are none."""
    detail = {"detail": [{"loc": ["body", "messages", 1, "role"], "msg": "bad", "input": "secret"}]}
    key = "0123456789abcdef0123456789abcdef.FakeFakeFakeFake"
    scripts: dict[str, Script] = {
        "422 with detail": answer.body(detail, status=_BARE["422"]),
        "detail as text": answer.body({"detail": "Not found"}, status=_BARE["404"]),
        "error as text": answer.body({"error": "bad gateway"}, status=_BARE["502"]),
        "success false": answer.body({"success": False, "code": 401, "msg": "token expired"}),
        "200 without JSON": answer.body(b"hello", content_type="text/plain"),
        "200 with a list": answer.body([1, 2]),
        "200 with nothing": answer.body(b""),
        "redirect": answer.body(
            b"", "Location: http://localhost/", status="307 Temporary Redirect"
        ),
        "key quoted": answer.zai_error(_BARE["500"], "1234", f"bad key {key} given"),
        "long text": answer.zai_error(_BARE["500"], "1234", "x" * 5000),
        "half a character": answer.body(
            b'{"error":{"code":"1234","message":"half \\ud83d"}}', status=_BARE["500"]
        ),
        "escaped names": answer.body(b'{"\\u0065rror":{"code":"1214","message":"odd"}}'),
        "retry-after": answer.body(
            {"error": {"code": "1305", "message": "later"}}, "Retry-After: 7", status=_BARE["429"]
        ),
        "gzip": answer.body(
            answer.coded(answer.compact({"error": {"code": "1214", "message": "no"}}), "gzip"),
            "Content-Encoding: gzip",
            status="400 Bad Request",
        ),
        "unknown coding": answer.body(b"???", "Content-Encoding: odd", status=_BARE["500"]),
    }
    steps: list[Request] = []
    for number, (name, script) in enumerate(scripts.items()):
        model = f"{SONNET}-o{number}"
        # The code 401 speaks of the key, for all models: it comes last.
        steps += [
            post(f"{name}, fails over", ask(model, is_streamed=False), zai=(script,)),
            post(f"{name}, shown", ask(f"{model}-b"), zai=(script,), is_logged_in=False),
        ]
    steps.sort(key=lambda step: step.name.startswith("success false"))
    return Group(name="Z.ai odd errors", steps=tuple(steps))


def _streams() -> Group:
    """What may stand before a stream's first event, and errors as the first and as later events."""
    start, text = answer.start_event("glm-4.7"), answer.TEXT
    overloaded = answer.error_event()
    of_code = answer.error_event("rate_limit_error", code="1308")
    scripts: dict[str, Script] = {
        "ping first": answer.stream(answer.PING, start, text, answer.USAGE_EVENT, answer.STOP),
        "comment first": answer.stream(answer.COMMENT, start, text, answer.STOP),
        "blank lines first": answer.stream(b"\r\n\n", start, text, answer.STOP),
        "byte order mark": answer.stream(b"\xef\xbb\xbf" + start, text, answer.STOP),
        "CRLF": answer.stream((start + text + answer.STOP).replace(b"\n", b"\r\n")),
        "error first": answer.stream(overloaded),
        "ping, then an error": answer.stream(answer.PING, overloaded),
        "comment, then an error": answer.stream(answer.COMMENT, overloaded),
        "error in mid-stream": answer.stream(start, text, overloaded),
        "rate limit in mid-stream": answer.stream(
            start, text, answer.error_event("rate_limit_error")
        ),
        "own code in mid-stream": answer.stream(
            start, text, answer.error_event("odd", code="1234")
        ),
        "JSON under the wrong type": answer.stream(b'{"error":{"code":"1234","message":"no"}}'),
        "event without a name": answer.stream(b'data: {"error":{"message":"no"}}\n\n'),
        "event name only": answer.stream(b"event: error\n\n"),
        "long first event": answer.stream(b"data: " + b"x" * 70_000 + b"\n\n", text, answer.STOP),
        "first event in bytes": answer.stream_of(overloaded, step=1),
        "all in bytes": answer.stream_of(answer.whole_text("glm-4.7"), step=1),
        "all in sevens": answer.stream_of(answer.whole_text("glm-4.7"), step=7),
        "nothing": answer.stream(b""),
        "one blank line": answer.stream(b"\n"),
        "nothing, with a length": answer.body(b"", content_type="text/event-stream"),
        "error 1308 first": answer.stream(of_code),
    }
    steps: list[Request] = []
    for number, (name, script) in enumerate(scripts.items()):
        steps.append(post(f"{name}, Z.ai", ask(f"{HAIKU}-s{number}"), zai=(script,)))
        steps.append(post(f"{name}, Claude", ask(OPUS), claude=(script,)))
    steps += [
        post(f"{name}, shown", ask(f"{HAIKU}-t{number}"), zai=(script,), is_logged_in=False)
        for number, (name, script) in enumerate(scripts.items())
        if "error" in name or "nothing" in name
    ]
    return Group(name="streams", steps=tuple(steps))


def _cut_streams() -> Group:
    """Streams and answers that end before they are whole, in every way that a socket knows."""
    start, text = answer.start_event("glm-4.7"), answer.TEXT
    head, chunk = answer.sse_head(), answer.chunk
    until_close = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    short = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"id"'
    passed = Act.PASSED
    scripts: dict[str, Script] = {
        "no end event": answer.stream(start, text),
        "closed between chunks": (head, chunk(start), chunk(text), passed, Act.CLOSE),
        "closed in a chunk": (head, chunk(start), b"ff\r\ndata: ", passed, Act.CLOSE),
        "reset after a chunk": (head, chunk(start + text), passed, Act.RESET),
        "bad chunk": (head, chunk(start), passed, b"zz\r\n", Act.CLOSE),
        "closed after the head": (head, Act.CLOSE),
        "body until close": (until_close, start, text, answer.USAGE_EVENT + answer.STOP, Act.CLOSE),
        "cut body until close": (until_close, start, text, Act.CLOSE),
        "half an event": (head, chunk(start), chunk(b"event: message_d"), answer.LAST),
    }
    steps: list[Request] = []
    for number, (name, script) in enumerate(scripts.items()):
        steps += [
            post(f"{name}, Z.ai", ask(f"{HAIKU}-c{number}"), zai=(script,)),
            post(f"{name}, shown", ask(f"{HAIKU}-d{number}"), zai=(script,), is_logged_in=False),
            post(f"{name}, Claude", ask(OPUS), claude=(script,)),
        ]
    # A delegate's answer is not passed on before enough of it is known.
    reset = (head, passed, Act.RESET)
    steps += [
        post("reset after the head, Claude", ask(OPUS), claude=(reset,)),
        post("length not reached, Claude", ask(OPUS), claude=((short, passed, Act.CLOSE),)),
        post("length not reached, Z.ai", ask(f"{HAIKU}-l"), zai=((short, Act.CLOSE),)),
    ]
    return Group(name="cut streams", steps=tuple(steps))


def _breaker() -> Group:
    """Three failures in a row bar one model; the others go on."""
    # Longer than the group takes on a busy machine: no request becomes a probe by chance.
    failing = answer.body(b"", "Retry-After: 600", status=_BARE["503"])
    return Group(
        name="circuit breaker",
        steps=(
            *(post(f"failure {n}", ask(SONNET), zai=(failing,)) for n in range(1, 4)),
            *(post(f"goes around {n}", ask(SONNET)) for n in range(1, 3)),
            post("other model", ask(HAIKU)),
            post("asked anyway", ask(SONNET), is_logged_in=False),
            post("well again", ask(SONNET)),
            Command(("status",)),
            post("overload 1", ask(HAIKU), zai=(answer.stream(answer.error_event()),)),
            post("whole", ask(HAIKU)),
            post("overload 2", ask(HAIKU), zai=(answer.stream(answer.error_event()),)),
            post("not barred", ask(HAIKU)),
            Command(("status", "--json")),
        ),
    )


def _busy() -> Group:
    """More at once than the delegate serves."""
    busy = answer.zai_error(_BARE["429"], "1302", "High concurrency")
    return Group(
        name="concurrency limit",
        config=NO_WAIT,
        steps=(
            post("fails over", ask(SONNET), zai=(busy,)),
            post("after it", ask(SONNET)),
            post("without a login", ask(HAIKU), zai=(busy,), is_logged_in=False),
            post("count_tokens", ask(SONNET), target="/v1/messages/count_tokens"),
        ),
    )


def _unreachable_delegate() -> Group:
    return Group(
        name="Z.ai unreachable",
        config=config(zai="@nowhere@"),
        steps=(
            post("fails over", ask(SONNET)),
            post("goes around", ask(HAIKU)),
            post("without a login", ask(SONNET), is_logged_in=False),
            post("count_tokens", ask(SONNET), target="/v1/messages/count_tokens"),
            Command(("status", "--json")),
        ),
    )


def _unreachable_claude() -> Group:
    refused = answer.zai_error("400 Bad Request", "1214", "bad")
    failing = answer.body(b"", status=_BARE["500"])
    return Group(
        name="Claude unreachable",
        config=config(claude="@nowhere@"),
        steps=(
            post("to Claude", ask(OPUS)),
            post("delegated", ask(SONNET)),
            post("refused by Z.ai", ask(HAIKU), zai=(refused,)),
            post("failed by Z.ai", ask(f"{HAIKU}-x"), zai=(failing,)),
            post("other path", b"", target="/v1/other"),
        ),
    )


def _resets() -> Group:
    """Connections that end without an answer: kept ones are replaced once."""
    return Group(
        name="resets",
        steps=(
            post("first on its connection, Claude", ask(OPUS), claude=((Act.RESET,),)),
            post("whole, Claude", ask(OPUS)),
            post("kept connection, Claude", ask(OPUS), claude=((Act.RESET,),)),
            post("whole again, Claude", ask(OPUS)),
            post("twice, Claude", ask(OPUS), claude=((Act.RESET,), (Act.CLOSE,))),
            post("whole, Z.ai", ask(SONNET)),
            post("kept connection, Z.ai", ask(SONNET), zai=((Act.RESET,),)),
            post(
                "bad status line, Z.ai", ask(f"{SONNET}-b"), zai=((b"NONSENSE\r\n\r\n", Act.CLOSE),)
            ),
            post("bad status line, Claude", ask(OPUS), claude=((b"NONSENSE\r\n\r\n", Act.CLOSE),)),
            post(
                "half a head, Claude",
                ask(OPUS),
                claude=((b"HTTP/1.1 200 OK\r\nContent-", Act.CLOSE),),
            ),
            post("whole again, Z.ai", ask(HAIKU)),
            post("reset, Z.ai", ask(HAIKU), zai=((Act.CLOSE,), (Act.RESET,))),
        ),
    )


def _from_claude() -> Group:
    """Claude's own errors pass as they are; after a delegate's failure they are weighed."""
    busy = answer.body(b"", status=_BARE["529"])
    steps: list[Request] = []
    for number, status in _BARE.items():
        error = answer.anthropic_error(
            status, "some_error", "Claude says no", "x-should-retry: true"
        )
        steps += [
            post(f"{number} on Opus", ask(OPUS), claude=(error,)),
            post(
                f"{number} after a failure", ask(f"{SONNET}-{number}"), zai=(busy,), claude=(error,)
            ),
        ]
    return Group(name="Claude's errors", steps=tuple(steps))


def _without_failover() -> Group:
    scripts = {
        "1234": answer.zai_error(_BARE["500"], "1234"),
        "1305": answer.zai_error_as_anthropic(_BARE["429"], "1305"),
        "empty stream": answer.stream(b""),
        "reset": (Act.RESET,),
        "1308": answer.zai_error(_BARE["429"], "1308"),
    }
    return Group(
        name="no failover",
        config=config("failover = false"),
        steps=(
            *(
                post(name, ask(f"{SONNET}-{name}"), zai=(script, script))
                for name, script in scripts.items()
            ),
            post("asked anyway", ask(HAIKU)),
        ),
    )
