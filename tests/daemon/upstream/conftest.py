"""What the tests of the way out share: a service with a name and a certificate of its own."""

from __future__ import annotations

import pytest
from raw_upstream import answer_message, raw_upstream
from tls import Certificates, make_certificates

HOST = "upstream.invalid"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), f"DNS:{HOST}")


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> None:
    """No proxy of this machine's, and an authority that is trusted."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)


@pytest.fixture
async def upstream(certificates):
    async with raw_upstream(answer_message, tls=certificates.server_context()) as upstream:
        yield upstream
