"""The TLS context towards the services, and what it costs."""

from __future__ import annotations

import gc
import json
import ssl
import subprocess
import sys
from asyncio import sslproto
from pathlib import Path

import pytest
from multidict import CIMultiDict
from patience import PATIENCE_S
from raw_upstream import answer_message, raw_upstream
from tls import has_openssl, make_certificates

from offramp_daemon.upstream import tls
from offramp_daemon.upstream.client import Upstream

needs_openssl = pytest.mark.skipif(not has_openssl(), reason="the openssl command is not here")
SOURCES = str(Path(tls.__file__).parents[2])
START_IT = """
import gc, json, ssl
from offramp_daemon.upstream import tls
with tls.certificates_unread():
    import offramp_daemon.app
contexts = [each for each in gc.get_objects() if isinstance(each, ssl.SSLContext)]
before = [each.cert_store_stats()["x509"] for each in contexts]
print(json.dumps([before, tls.client_context().cert_store_stats()["x509"]]))
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS asks its keychain each time")
def test_certificates_are_read_only_for_the_services(certificates):
    done = subprocess.run(
        [sys.executable, "-c", START_IT],
        env={"PYTHONPATH": SOURCES, "SSL_CERT_FILE": str(certificates.authority)},
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    of_aiohttp, of_services = json.loads(done.stdout)
    assert of_aiohttp
    assert set(of_aiohttp) == {0}
    assert of_services == 1


def test_contexts_read_the_systems_certificates_again_afterwards(certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    with tls.certificates_unread():
        assert ssl.create_default_context().cert_store_stats()["x509"] == 0
    assert ssl.create_default_context().cert_store_stats()["x509"] == 1


@needs_openssl
async def test_connection_with_tls_holds_a_small_buffer(monkeypatch, tmp_path):
    here = make_certificates(tmp_path, "IP:127.0.0.1")
    trust = ssl.create_default_context(cafile=str(here.authority))
    monkeypatch.setattr(tls, "client_context", lambda: trust)
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", 256 * 1024)
    async with (
        raw_upstream(answer_message, tls=here.server_context()) as upstream,
        Upstream() as way_out,
    ):
        answer = await way_out.send(
            "GET", upstream.url, "/", headers=CIMultiDict(), body=b"", connect_timeout_s=10
        )
        held = [each for each in gc.get_objects() if isinstance(each, sslproto.SSLProtocol)]
        assert {len(each.get_buffer(-1)) for each in held} == {32 * 1024}
        assert {len(each.get_buffer(1024 * 1024)) for each in held} == {32 * 1024}
        answer.close()
