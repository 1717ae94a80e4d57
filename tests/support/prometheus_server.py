"""A real Prometheus: Debian's package, unpacked into a folder of the tests' own, never installed.

Installing it would start a service. Where it can't be had, `program` says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from asyncio.subprocess import DEVNULL
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon_process import free_port
from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "prometheus"
_FETCH_S = 120
_POLL_S = 0.05
_CONFIG = """\
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
scrape_configs:
  - job_name: offramp
    authorization:
      credentials: "{token}"
    static_configs:
      - targets: ["{target}"]
"""


class UnavailableError(Exception):
    """There is no Prometheus here, and why."""


@dataclass(frozen=True)
class Prometheus:
    """One that runs and scrapes."""

    url: str
    client: aiohttp.ClientSession

    async def query(self, text: str) -> list[dict[str, Any]]:
        """What the query finds now; it fails where Prometheus refuses the query."""
        async with self.client.get(f"{self.url}/api/v1/query", params={"query": text}) as answered:
            found = await answered.json()
        assert found["status"] == "success", (text, found)
        return list(found["data"]["result"])

    async def until(self, text: str) -> list[dict[str, Any]]:
        """What the query finds, as soon as it finds anything."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await self.query(text)):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(_POLL_S)
        return found


def program() -> Path:
    """Return the program, fetched once for this checkout.

    Raises:
        UnavailableError: it can't be had.
    """
    found = _CACHE / "usr" / "bin" / "prometheus"
    if found.exists():
        return found
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UnavailableError(f"there is no {tool} to fetch Debian's prometheus with")
    _CACHE.mkdir(parents=True, exist_ok=True)
    _run("apt-get", "download", "prometheus")
    packages = sorted(_CACHE.glob("prometheus_*.deb"))
    if not packages:
        raise UnavailableError("apt-get fetched no prometheus")
    _run("dpkg-deb", "-x", packages[-1].name, ".")
    for package in packages:
        package.unlink()
    if not found.exists():
        raise UnavailableError("Debian's package holds no usr/bin/prometheus")
    return found


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=_CACHE, capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[0]} failed: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UnavailableError(f"{command[0]} failed: {last}")


@contextlib.asynccontextmanager
async def prometheus(
    path: Path, folder: Path, target: str, client: aiohttp.ClientSession, *, token: str
) -> AsyncIterator[Prometheus]:
    """Run the program `path` with its data in `folder`; it scrapes `target` with `token`."""
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(_CONFIG.format(target=target, token=token), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        str(path),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        running = Prometheus(f"http://127.0.0.1:{port}", client)
        await _until_ready(running)
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _until_ready(running: Prometheus) -> None:
    import aiohttp

    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with running.client.get(f"{running.url}/-/ready") as answered:
                    if answered.status == 200:
                        return
            await asyncio.sleep(_POLL_S)
