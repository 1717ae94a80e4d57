"""What a case of traffic is, and how its requests are sent and its CPU is taken.

A case measures one proxy once (`measure`); `contest` repeats that in turns over all proxies.
Before, `prove` makes sure that the proxy does what the case is about: the upstream must get exactly
the right bytes, and the client exactly the upstream's. While it is measured, every answer and every
body at the upstream must have the proven size, and afterwards every record must say what happened.
A case counts only then. CPU is that of the proxy process with its children, from before the first
byte until shortly after the last, when late work (the record) is done too.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import load
import traffic
from proxies import Daemon
from upstream import expected_answer, without_stamps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from proxies import Proxy
    from upstream import Upstream

_LATE_WORK_S = 0.1
_OK = 200
_KNOWN_TO_DELEGATES = frozenset(
    {"model", "messages", "system", "tools", "metadata", "max_tokens", "thinking", "stream"}
)
_DELEGATES_TARGET = "/api/anthropic/v1/messages"


class JobNotDoneError(Exception):
    """The proxy let something through, or did not send what it should have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table, and what the daemon is to reach in it.

    `most_ratio` limits daemon / bare, `most_nginx_ratio` daemon / nginx, and `most` the daemon's
    own value. `decimals` is for showing.
    """

    key: str
    label: str
    unit: str
    decimals: int = 1
    most_ratio: float | None = None
    most_nginx_ratio: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One kind of request: its body, and what the upstream is to answer.

    `kind` says what the daemon has to do with it: `same` (nothing has to change), `cut` (foreign
    thinking has to go) or `delegated`.
    """

    body: bytes
    script: str
    kind: str = "same"
    more_headers: tuple[str, ...] = ()

    def head(self, proxy: Proxy) -> bytes:
        """The request's head for `proxy`."""
        return traffic.request_head(
            proxy.port,
            body_bytes=len(self.body),
            script=self.script,
            more_headers=self.more_headers,
        )

    def check_sent(self, proxy: Proxy, sent: bytes, target: str) -> None:
        """Raise JobNotDoneError unless the upstream got what `proxy` has to make of the body."""
        if self.kind == "same" or not isinstance(proxy, Daemon):
            if sent != self.body:
                raise JobNotDoneError("a body in which nothing has to change was changed")
        elif self.kind == "cut":
            if json.loads(sent) != _without_thinking(self.body):
                raise JobNotDoneError("not exactly the foreign blocks were cut")
        elif not target.startswith(_DELEGATES_TARGET):
            raise JobNotDoneError(f"a delegated body went to {target}")
        elif _results(sent) != _results(self.body) or not _has_only_known_fields(sent):
            raise JobNotDoneError("a delegated body is not what the delegate was to get")

    def fault_of(self, record: dict[str, object]) -> str:
        """What is wrong with a record of such a request, or nothing."""
        usage = traffic.usage()
        right = {
            "backend": "zai" if self.kind == "delegated" else "anthropic",
            "status": "success",
            "http_status": _OK,
            "input_tokens": usage["input_tokens"],
            "cache_creation_input_tokens": usage["cache_creation_input_tokens"],
            "cache_read_input_tokens": usage["cache_read_input_tokens"],
            "output_tokens": expected_answer(self.script).output_tokens,
        }
        wrong = [f"{name} {record.get(name)}" for name in right if record.get(name) != right[name]]
        return ", ".join(wrong)


class Case(ABC):
    """One kind of traffic."""

    name: str
    figures: tuple[Figure, ...]
    sendings: tuple[Sending, ...] = (
        Sending(body=traffic.small_request(is_streaming=False), script="json"),
    )
    """All that it sends, the scripts of `measure` apart that differ in their number of events."""
    rounds = 5
    quick_rounds = 3
    is_fresh_each_round = False
    """Every round gets a newly started process."""
    is_together = False
    """All proxies are measured at the same time, since they do not disturb each other."""
    is_over_tls = False
    """The proxies reach the upstream by TLS."""

    def __init__(self) -> None:
        """Nothing was remarked yet."""
        self.remarks: list[str] = []
        """What the reader of the table should know; taken by `contest` after each measurement."""
        self.body_sizes: dict[str, set[int]] = {}
        """By proxy name: the sizes of the bodies that the upstream must get."""

    @abstractmethod
    async def measure(self, proxy: Proxy, upstream: Upstream, share: float) -> dict[str, float]:
        """Run the traffic once and return the figures by key; `share` of 1 is the full amount."""

    async def prove(self, proxy: Proxy, upstream: Upstream) -> None:
        """Raise JobNotDoneError unless the proxy serves this traffic as it should."""
        for sending in self.sendings:
            sent, target, payload = await send_and_keep(proxy, upstream, sending)
            sending.check_sent(proxy, sent, target)
            if payload != expected_answer(sending.script).payload:
                raise JobNotDoneError(f"the answer to {sending.script} is not the upstream's")
            self.body_sizes.setdefault(proxy.name, set()).add(len(sent))

    def fault_of(self, record: dict[str, object]) -> str:
        """What is wrong with a record of this case's requests, or nothing."""
        faults = [sending.fault_of(record) for sending in self.sendings]
        return min(faults, key=len)


async def cpu_of(proxy: Proxy, work: Awaitable[None]) -> float:
    """CPU seconds of the proxy for `work`."""
    before_s = proxy.cpu_s()
    await work
    await asyncio.sleep(_LATE_WORK_S)
    return proxy.cpu_s() - before_s


async def send_all(proxy: Proxy, sending: Sending, count: int, *, connections: int) -> None:
    """Send `count` requests in all, over some kept connections side by side."""
    head = sending.head(proxy)

    async def send(share: int) -> None:
        connection = await load.Connection.connect(proxy.port)
        for _ in range(share):
            check_answer(await connection.send(head, sending.body), sending.script)
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(send(count // connections))


def check_answer(answer: load.Answer, script: str) -> None:
    """Raise JobNotDoneError unless the answer has the size and the events of the upstream's."""
    if not is_whole(answer, script):
        raise JobNotDoneError(
            f"answer {answer.status} of {answer.body_bytes} bytes, {answer.deltas} deltas"
        )


def is_whole(answer: load.Answer, script: str) -> bool:
    """Whether an answer arrived as the upstream wrote it, to its end."""
    expected = expected_answer(script)
    return (
        answer.status == _OK
        and answer.body_bytes == len(expected.payload)
        and answer.deltas == expected.deltas
        and answer.is_stopped == (script != "json")
    )


async def try_to_send(sending: Awaitable[load.Answer]) -> load.Answer:
    """The answer; for one that was lost, an empty one that says why."""
    try:
        return await sending
    except (load.BadAnswerError, OSError) as error:
        return load.Answer(fault=str(error))


async def send_and_keep(
    proxy: Proxy, upstream: Upstream, sending: Sending
) -> tuple[bytes, str, bytes]:
    """Send one request; the body and target that the upstream got, and the answer's body."""
    upstream.usual_script = sending.script
    upstream.is_keeping_bodies = True
    connection = await load.Connection.connect(proxy.port)
    try:
        answer = await connection.send(sending.head(proxy), sending.body, is_keeping=True)
    finally:
        connection.close()
        upstream.is_keeping_bodies = False
    if answer.status != _OK:
        raise JobNotDoneError(f"answer {answer.status}")
    payload = b"".join(answer.payload or ())
    return upstream.seen.last_body, upstream.seen.last_target, without_stamps(payload)


def _without_thinking(body: bytes) -> traffic.Json:
    request: traffic.Json = json.loads(body)
    for message in request["messages"]:
        message["content"] = [block for block in message["content"] if block["type"] != "thinking"]
    return request


def _results(body: bytes) -> list[object]:
    """What the tools returned, in order: no proxy has a reason to change any of it."""
    return [
        block["content"]
        for message in json.loads(body)["messages"]
        for block in _blocks(message["content"])
        if block["type"] == "tool_result"
    ]


def _has_only_known_fields(body: bytes) -> bool:
    request = json.loads(body)
    tools = request.get("tools", ())
    return request.keys() <= _KNOWN_TO_DELEGATES and all(
        "defer_loading" not in one for one in tools
    )


def _blocks(content: object) -> Iterable[traffic.Json]:
    return content if isinstance(content, list) else ()
