"""The contestants: how each proxy is started, known to be ready, measured and stopped.

All get the same: one core, a usual shell's limit of open files, a clean environment, and a folder
that goes when they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

import gauges
import traffic

HOST = "127.0.0.1"

_ROOT = Path(__file__).resolve().parent.parent
_READY_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.002
_PORTS = (20_000, 32_000)
_LOG_TAIL_CHARACTERS = 2_000

_NGINX_CONF = """\
user {user};
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  client_max_body_size 64m;
  client_body_buffer_size 16m;
  keepalive_requests 1000000;
  upstream service {{
    server {upstream};
    keepalive 64;
    keepalive_requests 1000000;
  }}
  server {{
    listen {host}:{port};
    location / {{
      proxy_pass {scheme}://service;
      {tls}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""

_NGINX_TLS = """\
proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {authority};
      proxy_ssl_name localhost;
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
"""
"""It checks the certificate too, as the others do; of an address it can't, so it gives a name."""

_DAEMON_CONFIG = """\
[[route]]
match = "sonnet"
backend = "zai"
context_tokens = 10000000
"""
"""The default route, but for the context: a delegated body of 1 MB would stay on Anthropic."""


class ProxyFailedError(Exception):
    """A proxy did not start; the message holds the end of what it printed."""


class Proxy(ABC):
    """One proxy process on a free loopback port, in front of the fake upstream."""

    name: str

    def __init__(
        self,
        upstream_port: int,
        cores: tuple[frozenset[int], frozenset[int]] | None,
        authority: Path | None = None,
    ) -> None:
        """Prepare; nothing runs before `start`. With an `authority` to trust it speaks TLS."""
        self.ready_s = 0.0
        self.port = 0
        self._upstream = f"{HOST}:{upstream_port}"
        self._scheme = "http" if authority is None else "https"
        self._authority = authority
        self._cores = cores
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    @abstractmethod
    def command(self, folder: Path) -> list[str]:
        """What to execute; files that it needs may be put in `folder`."""

    def environment(self, folder: Path) -> dict[str, str]:
        """All variables that the process gets."""
        path = os.environ.get("PATH", os.defpath)
        usual = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"}
        if self._authority is None:
            return usual
        # OpenSSL reads the first variable; on macOS, where the daemon asks the system, the other.
        names = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        return usual | dict.fromkeys(names, str(self._authority))

    async def is_ready(self) -> bool:
        """Whether it serves by now: here, that it accepts a connection."""
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, self.port)
            writer.close()
            return True
        return False

    @property
    def pid(self) -> int:
        """Of the process that was started; its children belong to it."""
        assert self._process is not None
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU seconds used so far, children included."""
        return gauges.cpu_s(self.pid)

    def rss_bytes(self) -> int:
        """Memory resident now, children included."""
        return gauges.rss_bytes(self.pid)

    def end_report(self) -> str:
        """Empty while it runs; else how it ended, with the last that it printed."""
        assert self._process is not None
        code = self._process.poll()
        return "" if code is None else f"{self.name} ended with {code}: {self._printed()}"

    def records(self) -> list[dict[str, object]] | None:
        """What it has put on record of each request; None for a proxy that records none."""
        return None

    async def start(self) -> None:
        """Start it and wait until it serves; `ready_s` then says how long that took.

        Raises ProxyFailedError when it ends first or takes too long.
        """
        self.port = _free_port()
        started_at_s = self._spawn()
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                while not await self.is_ready():
                    if report := self.end_report():
                        raise ProxyFailedError(report)
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            printed = self._printed()
            self.stop()
            raise ProxyFailedError(f"{self.name} was never ready: {printed}") from None
        self.ready_s = time.monotonic() - started_at_s

    def stop(self) -> None:
        """Ask it to end, make it end, and remove its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _spawn(self) -> float:
        folder = self._folder = Path(tempfile.mkdtemp(prefix="offramp-bench-"))
        command = gauges.with_usual_file_limit(self.command(folder))
        with (folder / "output").open("wb") as output, gauges.on_the_proxys_core(self._cores):
            started_at_s = time.monotonic()
            self._process = subprocess.Popen(
                command,
                env=self.environment(folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return started_at_s

    def _printed(self) -> str:
        if self._folder is not None:
            text = (self._folder / "output").read_text(errors="replace")
            return text[-_LOG_TAIL_CHARACTERS:].strip()
        return ""


class BareProxy(Proxy):
    """The aiohttp pass-through."""

    name = "bare"

    def command(self, folder: Path) -> list[str]:
        """The script beside this one."""
        del folder
        script = Path(__file__).with_name("bare_proxy.py")
        return [sys.executable, str(script), str(self.port), f"{self._scheme}://{self._upstream}"]


class Nginx(Proxy):
    """Nginx with one worker and no buffering of answers."""

    name = "nginx"

    @staticmethod
    def executable() -> str | None:
        """Where it is, if it is installed."""
        return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

    def command(self, folder: Path) -> list[str]:
        """Write its configuration and name it."""
        configuration = _NGINX_CONF.format(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            folder=folder,
            host=HOST,
            port=self.port,
            upstream=self._upstream,
            scheme=self._scheme,
            tls="" if self._authority is None else _NGINX_TLS.format(authority=self._authority),
        )
        file = folder / "nginx.conf"
        file.write_text(configuration)
        return [self.executable() or "nginx", "-c", str(file), "-p", str(folder)]


class Daemon(Proxy):
    """Offramp's daemon as `offramp serve` runs it, doing its whole job."""

    name = "daemon"
    profile_file: Path | None = None
    """Where cProfile shall write, when the daemon runs under it."""

    def records(self) -> list[dict[str, object]] | None:
        """The lines of its request log."""
        assert self._folder is not None
        files = (self._folder / "data" / "log").glob("requests*.jsonl")
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]

    def command(self, folder: Path) -> list[str]:
        """The module, so that no installation is needed."""
        config = folder / "config"
        config.mkdir()
        (config / "config.toml").write_text(_DAEMON_CONFIG)
        profiler = [] if self.profile_file is None else ["-m", "cProfile", "-o"]
        target = [] if self.profile_file is None else [str(self.profile_file)]
        return [sys.executable, *profiler, *target, "-m", "offramp_cli", "serve"]

    def environment(self, folder: Path) -> dict[str, str]:
        """Its settings; no variable of the user's own."""
        return {
            **super().environment(folder),
            "ANTHROPIC_BASE_URL": f"{self._scheme}://{self._upstream}",
            "OFFRAMP_HOME": str(folder),
            "PORT": str(self.port),
            "PYTHONPATH": str(_ROOT / "daemon"),
            "ZAI_API_KEY": traffic.FAKE_KEY,
            "ZAI_BASE_URL": f"{self._scheme}://{self._upstream}/api/anthropic",
        }

    async def is_ready(self) -> bool:
        """It answers on /health."""
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, self.port)
            try:
                writer.write(b"GET /health HTTP/1.1\r\nhost: %s\r\n\r\n" % HOST.encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
        return False


def _free_port() -> int:
    """A port that nobody has, below those that systems give to outgoing connections.

    Among those, a connection that asks whether the proxy is there yet may meet itself, and so
    answer yes and take the proxy's port.
    """
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((HOST, port))
            return port
