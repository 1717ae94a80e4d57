"""Load for half an hour with faults among it, and a look at what stays: `make soak`.

Clients send small, streamed, delegated and long requests. 1 % of the service's answers fail, and
1 % of the clients do: they reset, stall, or close half of the line. At intervals the load rests,
and memory, descriptors and tasks of the daemon are counted. They must not grow, each answer without
a fault must be whole, and each message must leave one record. Linux only; on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gauges
import load
import todays_request
import traffic
from proxies import Daemon
from soak_service import FaultyService

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))

from tls import make_certificates

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIB = 1024 * 1024
_CLIENTS = 24
_FAULTS = 0.01
_SILENCE_S = 5
_LONGEST_ANSWER_S = 30.0
_REST_S = 65.0
"""So long the load rests before a look: stalls have ended, and no connection is kept any more."""
_CERTIFIED = "IP:127.0.0.1, DNS:localhost"
_MOST_MORE_MIB = 4.0
"""What an allocator does not give back differs by so much from look to look."""
_MOST_MORE_DESCRIPTORS = 2
_CLIENT_FAULTS = ("goes away", "goes away in its request", "closes its half", "reads late")
_READS_LATE_S = 2.0
_TRIES = 100
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What the daemon holds while nothing is asked of it."""

    at_s: float
    rss_mib: float
    descriptors: int
    tasks: int

    def __str__(self) -> str:
        """A line of the report."""
        return (
            f"{self.at_s:6.0f} s  {self.rss_mib:6.1f} MiB  {self.descriptors:3d} descriptors"
            f"  {self.tasks:2d} tasks"
        )


class SoakedDaemon(Daemon):
    """The daemon with a short limit on silence, that says how many tasks it has."""

    def command(self, folder: Path) -> list[str]:
        """The usual one, but for the script beside this one."""
        usual = super().command(folder)
        config = folder / "config" / "config.toml"
        config.write_text(f"silence_timeout_s = {_SILENCE_S}\n{config.read_text()}")
        self.tasks_file = folder / "tasks"
        script = Path(__file__).with_name("soak_daemon.py")
        return [usual[0], str(script), str(self.tasks_file)]

    async def look(self, at_s: float) -> Look:
        """What it holds now."""
        self.tasks_file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        return await asyncio.to_thread(self._looked, at_s)

    def _looked(self, at_s: float) -> Look:
        for _ in range(_TRIES):
            if self.tasks_file.exists():
                break
            time.sleep(_POLL_S)
        return Look(
            at_s=at_s,
            rss_mib=gauges.rss_bytes(self.pid) / _MIB,
            descriptors=len(list(Path(f"/proc/{self.pid}/fd").iterdir())),
            tasks=int(self.tasks_file.read_text()),
        )


class Soak:
    """One run against one daemon."""

    def __init__(self, proxy: SoakedDaemon, service: FaultyService, seed: int) -> None:
        """Choose requests and faults by `seed`."""
        self.sent = 0
        self.results: Counter[str] = Counter()
        self.problems: list[str] = []
        self._proxy = proxy
        self._service = service
        self._random = random.Random(seed)
        self._bodies = (
            *[traffic.small_request(is_streaming=False)] * 6,
            *[traffic.small_request(is_streaming=True)] * 6,
            *[traffic.small_request(is_streaming=True, model=traffic.SONNET)] * 6,
            todays_request.body(todays_request.OPUS, is_foreign=False),
            todays_request.body(todays_request.SONNET, is_foreign=True),
            traffic.large_request(_MIB, model=traffic.OPUS, is_foreign=True),
        )

    async def run(self, minutes: float, looks: int) -> list[Look]:
        """Load and rest in turns."""
        started_s = time.monotonic()
        seen: list[Look] = []
        for _ in range(looks):
            until_s = time.monotonic() + minutes * 60 / looks - _REST_S
            async with asyncio.TaskGroup() as group:
                for _ in range(_CLIENTS):
                    group.create_task(self._client(until_s))
            await asyncio.sleep(_REST_S)
            seen.append(await self._proxy.look(time.monotonic() - started_s))
            print(seen[-1], flush=True)
        return seen

    async def _client(self, until_s: float) -> None:
        connection = None
        while time.monotonic() < until_s:
            body = self._random.choice(self._bodies)
            head = traffic.request_head(self._proxy.port, body_bytes=len(body), script="soak")
            if self._random.random() < _FAULTS:
                fault = self._random.choice(_CLIENT_FAULTS)
                self.results[f"client {fault}"] += 1
                await self._misbehave(fault, head, body)
                continue
            connection = connection or await load.Connection.connect(self._proxy.port)
            if not await self._ask(connection, head, body):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    async def _ask(self, connection: load.Connection, head: bytes, body: bytes) -> bool:
        """Send a request and judge the answer; return whether the connection is of use still."""
        self.sent += 1
        try:
            async with asyncio.timeout(_LONGEST_ANSWER_S):
                answer = await connection.send(head, body, is_keeping=True)
        except (load.BadAnswerError, OSError):
            self.results["broken off"] += 1
            return False
        except TimeoutError:
            self.results["never ended"] += 1
            self.problems.append("an answer never ended")
            return False
        if answer.status != 200:
            self.results[f"status {answer.status}"] += 1
        elif b"".join(answer.payload or ()) == self._service.payload(body):
            self.results["whole"] += 1
        else:
            self.problems.append(f"an answer of {answer.body_bytes} bytes passed for a whole one")
        return True

    async def _misbehave(self, fault: str, head: bytes, body: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._proxy.port)
        try:
            async with asyncio.timeout(_LONGEST_ANSWER_S):
                await self._fail(fault, head, body, reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # whatever such a client gets
        finally:
            writer.close()

    async def _fail(
        self,
        fault: str,
        head: bytes,
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if fault == "goes away in its request":
            writer.write(head + body[: len(body) // 2])
            await writer.drain()
            writer.transport.abort()
            return
        writer.write(head + body)
        await writer.drain()
        if fault == "closes its half":
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            await reader.read()
            return
        await reader.readexactly(64)
        if fault == "reads late":
            await asyncio.sleep(_READS_LATE_S)
            await reader.read(_MIB)
        writer.transport.abort()


def faults_of(looks: Sequence[Look]) -> list[str]:
    """What has grown in the second half of the run; until then memory still gets warm."""
    first, last = looks[(len(looks) - 1) // 2], looks[-1]
    grown = []
    if last.rss_mib > first.rss_mib + _MOST_MORE_MIB:
        grown.append(f"memory grew from {first.rss_mib:.1f} to {last.rss_mib:.1f} MiB")
    if last.descriptors > first.descriptors + _MOST_MORE_DESCRIPTORS:
        grown.append(f"descriptors grew from {first.descriptors} to {last.descriptors}")
    if last.tasks > first.tasks:
        grown.append(f"tasks grew from {first.tasks} to {last.tasks}")
    return grown


async def _records(proxy: SoakedDaemon, count: int) -> list[dict[str, object]]:
    """The records, once there are so many, or no more come."""
    for _ in range(_TRIES):
        records = proxy.records() or []
        if len(records) >= count:
            break
        await asyncio.sleep(_POLL_S)
    return records


async def soak(minutes: float, looks: int, seed: int) -> list[str]:
    """Run it and print figures; what went wrong, in sentences."""
    with tempfile.TemporaryDirectory(prefix="offramp-soak-") as folder:
        certificates = make_certificates(Path(folder), _CERTIFIED)
        service = FaultyService(_FAULTS, seed)
        await service.start(certificates.server_context())
        proxy = SoakedDaemon(service.port, None, certificates.authority)
        await proxy.start()
        try:
            run = Soak(proxy, service, seed)
            seen = await run.run(minutes, looks)
            least = run.sent
            records = await _records(proxy, least)
        finally:
            proxy.stop()
            service.stop()
    problems = [*faults_of(seen), *sorted(set(run.problems))]
    most = least + sum(count for name, count in run.results.items() if name.startswith("client"))
    if not least <= len(records) <= most:
        problems.append(f"{least} to {most} requests, but {len(records)} records")
    broken = run.results["broken off"] + sum(
        count for name, count in run.results.items() if name.startswith("status")
    )
    if broken > service.faults.total():
        problems.append(f"{broken} answers failed, for {service.faults.total()} faults")
    print(json.dumps({"answers": run.results, "faults": service.faults}, indent=1))
    print(f"{run.sent} requests, {len(records)} records")
    return problems


def main() -> int:
    """Soak the daemon; 1 if something grew, or an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--looks", type=int, default=6, help="how often the load rests")
    parser.add_argument("--seed", type=int, default=1, help="chooses requests and faults")
    options = parser.parse_args()
    if not gauges.IS_LINUX:
        parser.error("descriptors are counted on Linux only")
    gauges.raise_file_limit()
    problems = asyncio.run(soak(options.minutes, options.looks, options.seed))
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
