"""The requests of `side_by_side.py` about paths, methods, clients, settings and plans."""

from __future__ import annotations

import time

import pair_answers as answer
from pair_answers import Act, Script
from pair_requests import (
    CLIENT,
    COUNT,
    HAIKU,
    KEY,
    LOGIN,
    MESSAGES,
    OPUS,
    SONNET,
    Command,
    Group,
    Headers,
    Request,
    ask,
    config,
    encode,
    http,
    post,
    session,
)

_RESET = int(time.time()) // 3600 * 3600 + 90_000
"""When the plan of this run is reset: a day ahead, the same for both sides."""
_SPENT = (
    "anthropic-ratelimit-unified-status: rejected",
    "anthropic-ratelimit-unified-representative-claim: five_hour",
    f"anthropic-ratelimit-unified-reset: {_RESET}",
    "anthropic-ratelimit-unified-5h-status: rejected",
    "anthropic-ratelimit-unified-5h-utilization: 1.01",
    f"anthropic-ratelimit-unified-5h-reset: {_RESET}",
    "x-should-retry: false",
)
_TOKEN = "a-token-of-sixteen-characters"
_MODELS = (
    OPUS,
    SONNET,
    HAIKU,
    "claude-sonnet-4-5-20250929",
    "claude-3-5-haiku-latest",
    "claude-fable-5-2",
    "glm-4.7",
    "gpt-5",
    "",
    "x" * 300,
    "söñnet",
    "my-sonnet-haiku",
)


def groups() -> list[Group]:
    """All of them."""
    steps = tuple(_plain())
    return [
        Group(name="plain", steps=steps),
        Group(name="JSON log", steps=steps[:12], config=config('log_format = "json"')),
        Group(name="paths and methods", steps=tuple(_paths())),
        Group(name="clients", steps=tuple(_clients())),
        Group(name="uploads", steps=tuple(_uploads())),
        Group(name="cancels", steps=tuple(_cancels())),
        _paused("", "paused"),
        _paused("let_conversations_finish = true", "paused, conversations finish"),
        *_plans(),
        *_delegation(),
        *_backends(),
    ]


def _plain() -> list[Request]:
    """Every kind of model name, streamed, not streamed and counted."""
    return [
        *(post(f"stream {model}", ask(model)) for model in _MODELS),
        *(post(f"message {model}", ask(model, is_streamed=False)) for model in _MODELS),
        *(post(f"count {model}", ask(model), target=COUNT) for model in _MODELS[:6]),
        post("no model", ask(None)),
        post(
            "count of nothing", ask(SONNET), target=COUNT, zai=(answer.body({"input_tokens": 0}),)
        ),
        post("count fails", ask(HAIKU), target=COUNT, zai=(answer.zai_error("500 X", "1234"),)),
        post("count refused", ask(OPUS), target=COUNT, claude=(answer.body({}, status="404 X"),)),
    ]


def _paths() -> list[Request]:
    """Targets of every shape, and methods other than POST."""
    targets = (
        "/v1/messages",
        "/v1/messages?beta=true&x=%2F%20y",
        "/v1/messages?key=secret&beta=true",
        "/v1/messages/",
        "/v1/messages/batches",
        "/v1//messages",
        "/v1/%6dessages",
        "/v1/models?limit=1000",
        "/api/hello",
        "/api/event_logging/batch",
        "/anything?a=1&a=2&b=%zz",
        "/with%20blank/and;semi",
        "//host/v1/messages",
        "/\\host/x",
        "http://localhost/v1/messages",
        "/a/../v1/messages",
        "/?",
        "/v1/messages#part",
    )
    steps = [post(f"POST {target}", ask(SONNET), target=target) for target in targets]
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
        for target in ("/", "/v1/messages", "/v1/models?limit=1000", "/health", "/api/hello"):
            pieces = (http(method, target, headers=(*LOGIN, *CLIENT)),)
            steps.append(Request(name=f"{method} {target}", pieces=pieces))
    failing = answer.anthropic_error("500 Internal Server Error", "api_error")
    get = (http("GET", "/v1/other", headers=LOGIN),)
    return [
        *steps,
        Request(name="PUT with a body", pieces=(http("PUT", "/v1/files", b"data", LOGIN),)),
        Request(name="health with a query", pieces=(http("GET", "/health?x=1"),)),
        Request(name="other path fails", pieces=get, claude=(failing,)),
        Request(name="other path reset", pieces=get, claude=((Act.RESET,), (Act.RESET,))),
        Request(name="no content", pieces=get, claude=((b"HTTP/1.1 204 No Content\r\n\r\n",),)),
        Request(
            name="cookies and odd headers",
            pieces=get,
            claude=(answer.body({}, "Set-Cookie: a=1", "Set-Cookie: b=2", "X-Ü: é", "Server: s"),),
        ),
        Request(name="bad request line", pieces=(b"NONSENSE\r\n\r\n",)),
    ]


def _clients() -> list[Request]:
    """Who asks, and with which headers."""
    cases: dict[str, Headers] = {
        "foreign host": (("Host", "evil.example"),),
        "local host and port": (("Host", "127.0.0.1:9"),),
        "IPv6 host": (("Host", "[::1]:9"),),
        "foreign origin": (("Origin", "http://evil.example"),),
        "origin that begins alike": (("Origin", "http://localhost.evil.example"),),
        "local origin": (("Origin", "http://localhost:5"),),
        "cross-site": (("Sec-Fetch-Site", "cross-site"),),
        "same-origin": (("Sec-Fetch-Site", "same-origin"),),
        "API key": (("x-api-key", "sk-ant-api03-" + "fake" * 22),),
        "both credentials": (*LOGIN, ("x-api-key", "sk-ant-api03-" + "fake" * 22)),
        "cookie": (*LOGIN, ("Cookie", "a=1"), ("Proxy-Authorization", "Basic eA==")),
        "subagent": (*LOGIN, session("s"), ("x-claude-code-agent-id", "agent-1")),
        "odd case": (("AUTHORIZATION", LOGIN[0][1]), ("X-API-KEY", "k"), ("x-Own", "1")),
        "repeated": (*LOGIN, ("X-Own", "1"), ("x-own", "2"), ("anthropic-beta", "a,b")),
        "betas": (
            *LOGIN,
            ("anthropic-beta", "interleaved-thinking-2025-05-14, x-2025"),
            ("Anthropic-Beta", "fine-grained-tool-streaming-2025-05-14"),
        ),
        "hop by hop": (*LOGIN, ("Connection", "close, x-own"), ("x-own", "1"), ("TE", "trailers")),
        "a hop before": (*LOGIN, ("x-offramp-hop", "abc")),
        "not ASCII": (*LOGIN, ("x-own", "grün")),
        "no user agent": LOGIN,
        "odd session": (*LOGIN, ("x-claude-code-session-id", "s" * 400)),
    }
    return [
        post(f"{name}, {model}", ask(model), headers=headers)
        for name, headers in cases.items()
        for model in (OPUS, SONNET)
    ]


def _uploads() -> list[Request]:
    """Bodies that come in chunks, late, or not as announced; several requests on a connection."""
    body = encode(ask(SONNET))
    opus = encode(ask(OPUS))
    chunked: Headers = (*LOGIN, *CLIENT, ("Transfer-Encoding", "chunked"))

    def upload(*chunks: bytes) -> bytes:
        return http("POST", MESSAGES, headers=chunked, has_length=False) + b"".join(chunks)

    kept: Headers = (*LOGIN, *CLIENT, ("Connection", "keep-alive"))
    expecting: Headers = (*LOGIN, *CLIENT, ("Expect", "100-continue"))
    head_only = http("POST", MESSAGES, opus, expecting).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    tail = http("POST", MESSAGES, opus, (*LOGIN, *CLIENT))
    parts = [answer.chunk(body[:20]), answer.chunk(body[20:]), answer.LAST]
    old = http("POST", MESSAGES, opus, (*LOGIN, *CLIENT)).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    cut = ((answer.sse_head(), answer.chunk(answer.start_event()), Act.CLOSE),)
    return [
        Request(name="chunks", pieces=(upload(*parts),)),
        Request(name="chunks, Opus", pieces=(upload(answer.chunk(opus), answer.LAST),)),
        Request(name="bad chunk", pieces=(upload(parts[0], b"zz\r\n"),)),
        Request(name="in pieces", pieces=tuple(tail[n : n + 90] for n in range(0, len(tail), 90))),
        Request(name="expects 100", pieces=(head_only, opus)),
        Request(name="two on a connection", pieces=(http("POST", MESSAGES, body, kept) + tail,)),
        Request(name="HTTP/1.0", pieces=(old,)),
        Request(name="HTTP/1.0, cut", pieces=(old,), claude=cut),
        Request(name="header without an end", pieces=(b"GET / HTTP/1.1\r\nx" + b"y" * 200_000,)),
    ]


def _cancels() -> list[Request]:
    """The client leaves before an answer begins, and within one."""
    start, mark = answer.start_event(), b"message_start"
    held: Script = (answer.sse_head(), answer.chunk(start + answer.TEXT), Act.HOLD)
    done: Script = (answer.sse_head(), answer.chunk(answer.whole_text()), Act.HOLD)
    nothing: Script = (Act.HOLD,)
    steps: list[Request] = []
    for model in (OPUS, SONNET, HAIKU):
        for name, script, after in (
            ("before the answer", nothing, b""),
            ("in mid-stream", held, mark),
            ("after its last event", done, b"message_stop"),
        ):
            steps += [
                post(
                    f"leaves {name}, {model}",
                    ask(model),
                    claude=(script,) if model == OPUS else (),
                    zai=(script,) if model != OPUS else (),
                    leaves_after=after,
                ),
                post(f"stays after {name}, {model}", ask(model)),
            ]
    busy = answer.body(b"", status="503 Service Unavailable")
    return [
        *steps,
        post("fails over, then leaves", zai=(busy,), claude=(held,), leaves_after=mark),
        post("leaves a count", target=COUNT, zai=(nothing,), leaves_after=b""),
        post("serves on", ask(SONNET)),
    ]


def _paused(top: str, name: str) -> Group:
    warm: Headers = (*LOGIN, *CLIENT, session("warm"))
    return Group(
        name=name,
        config=config(top),
        steps=(
            post("before it", ask(SONNET), headers=warm),
            Command(("pause",)),
            post("goes on", ask(SONNET), headers=warm),
            post("new conversation", ask(SONNET)),
            post("other model", ask(HAIKU), headers=warm),
            post("Opus", ask(OPUS), headers=warm),
            post("a count", ask(SONNET), target=COUNT, headers=warm),
            Command(("status",)),
            Command(("resume",)),
            post("after it", ask(SONNET), headers=warm),
            post("new one after it", ask(SONNET)),
            Command(("resume",)),
        ),
    )


def _plans() -> list[Group]:
    """Claude's plan is spent: what goes to the delegate then, and what the client hears."""
    spent = answer.anthropic_error("429 Too Many Requests", "rate_limit_error", "Spent", *_SPENT)
    transient = answer.anthropic_error("429 Too Many Requests", "rate_limit_error", "Slow down")
    failing = answer.body(b"", status="503 Service Unavailable")
    quota = answer.zai_error("429 Too Many Requests", "1308", "spent")
    steps = (
        post("transient", ask(OPUS), claude=(transient,)),
        post("spent", ask(OPUS), claude=(spent,)),
        post("next one", ask(OPUS, is_streamed=False)),
        post(
            "not for the delegate", ask(OPUS, tools=[{"type": "web_search_20250305", "name": "w"}])
        ),
        post("delegate fails", ask(OPUS), zai=(failing,), claude=(spent,)),
        post("other login", ask(OPUS), headers=(("x-api-key", "sk-other"), *CLIENT)),
        post("Sonnet", ask(SONNET)),
        post("Sonnet fails", ask(SONNET), zai=(failing,)),
        post("a count", ask(OPUS), target=COUNT),
        post("delegate spent, too", ask(SONNET), zai=(quota,), claude=(spent,)),
        Command(("status",)),
    )
    return [
        Group(name="plan spent", steps=steps),
        Group(name="plan spent, overflow", steps=steps, config=config("overflow = true")),
        Group(
            name="plan spent, overflow elsewhere",
            steps=steps[1:4],
            config=config('overflow = true\noverflow_model = "glm-5.4"\nfailover = false'),
        ),
    ]


def _delegation() -> list[Group]:
    warm: Headers = (*LOGIN, *CLIENT, session("warm"))
    busy = answer.body(b"", status="503 Service Unavailable")
    steps = (
        post("Sonnet", ask(SONNET)),
        post("Haiku", ask(HAIKU, is_streamed=False)),
        post("Opus", ask(OPUS)),
        post("fails over", ask(SONNET), zai=(busy,), headers=warm),
        post("goes on where it was", ask(SONNET), headers=warm),
        post("a count", ask(SONNET), target=COUNT),
    )
    return [
        Group(name="conversations", steps=steps),
        Group(name="delegation never", steps=steps, config=config('delegation = "never"')),
        Group(name="delegation auto", steps=steps, config=config('delegation = "auto"')),
        Group(name="no key", steps=steps, config=config(has_key=False)),
        Group(
            name="client token",
            config=config(f'client_token = "{_TOKEN}"'),
            steps=(
                post("without it", ask(OPUS)),
                post("with it", ask(OPUS), headers=(("x-offramp-token", _TOKEN), *CLIENT)),
                post("with it, Sonnet", ask(), headers=(("x-offramp-token", _TOKEN), *CLIENT)),
                post("with another", ask(OPUS), headers=(("x-offramp-token", "x"), *CLIENT)),
            ),
        ),
    ]


def _backends() -> list[Group]:
    """Settings of backends, and backends of the user's own."""
    routes = (
        '[[route]]\nmatch = "sonnet"\nbackend = "own"\nsend_model = "own-1"\n'
        '[[route]]\nmatch = "haiku"\nbackend = "zai"\ncontext_tokens = 100\n'
        '[[route]]\nmatch = "opus"\nbackend = "anthropic"\n'
        '[[route]]\nmatch = "glm"\nbackend = "zai"\n'
    )
    own = (
        f'[backend.own]\nbase_url = "http://127.0.0.1:@zai@/own"\nkey = "{KEY}-2"\n'
        'auth = "bearer"\nimages = true\nsystem_role_in_messages = true\ndrop_fields = ["tools"]\n'
        'own_thinking = "none"\nbilling_header_block = true\n'
    )
    item = {"role": "system", "content": "Be brief"}
    turns = [{"role": "user", "content": "Hi"}, item]
    billing = [{"type": "text", "text": "x-anthropic-billing-header: cch=1;"}]
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "abc"}
    history = [*turns, {"role": "assistant", "content": [thought]}, turns[0]]
    spent = answer.zai_error("429 Too Many Requests", "1308")
    return [
        Group(
            name="own backend",
            config=config(more=own + routes),
            steps=(
                post("plain", ask(SONNET)),
                post(
                    "shapes", ask(SONNET, messages=history, system=billing, tools=[], metadata={})
                ),
                post("short context", ask(HAIKU, system="word " * 100)),
                post("routed to Anthropic", ask(OPUS)),
                post("a model of its own", ask("glm-4.7", messages=history)),
                post("counted", ask(SONNET), target=COUNT),
                post("spent", ask(SONNET), zai=(spent,)),
                post("goes around", ask(SONNET)),
                post("other backend", ask("glm-4.7")),
                Command(("status", "--json")),
                Command(("config", "check")),
                Command(("stats", "--json")),
                Command(("logs", "--json")),
            ),
        ),
        Group(
            name="limit on bodies",
            config=config("max_body_bytes = 2000"),
            steps=(
                post("short", ask(SONNET)),
                post("long", ask(SONNET, system="word " * 1000)),
                post("long, other path", b"x" * 3000, target="/v1/files"),
            ),
        ),
    ]
