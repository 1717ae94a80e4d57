"""The TLS context towards the backends: it trusts what the system trusts."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
from asyncio import sslproto
from pathlib import Path
from typing import TYPE_CHECKING

import truststore

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUNDLES = (
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""Where Linux distributions keep their certificates, for a Python that was built elsewhere."""
_BUFFER_BYTES = 32 * 1024
"""Two of TLS's records."""


def client_context() -> ssl.SSLContext:
    """A context for connections out; it reads files, so call it off the event loop."""
    if sys.platform == "darwin":
        # Only macOS itself knows what it trusts: an administrator's profiles, what was distrusted.
        # It is asked at the end of each handshake, on the event loop: asyncio can't be told to wait
        # there, nor take over a connection whose handshake was made elsewhere. That takes
        # milliseconds, for connections are kept and few are new; a network filter may make it
        # longer. A copy of the system's certificates would be asked faster, and be wrong.
        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        # Not truststore: it would read the whole store again for every connection, which holds
        # up the event loop, and so every stream, for some 40 ms.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_system_store(context)
    _add_users_own(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextlib.contextmanager
def certificates_unread() -> Iterator[None]:
    """Have no context read the system's certificates meanwhile: for the import of aiohttp.

    Its client, which the daemon does not use, makes two contexts when it is imported. They would
    take a tenth of a second and three megabytes.
    """

    def read_none(_context: ssl.SSLContext) -> None:
        """Trust nobody."""

    ssl.SSLContext.set_default_verify_paths = read_none  # type: ignore[assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


def keep_buffers_small() -> None:
    """Have each connection with TLS hold a buffer of 32 KB; asyncio would give it 256 KB.

    It is full only while a service sends faster than it is read. There is no option for it, but
    the class has the size as a public attribute, for which a test stands.
    """
    sslproto.SSLProtocol.max_size = _BUFFER_BYTES


def _add_users_own(context: ssl.SSLContext) -> None:
    """Trust a company's authority that Claude Code, which runs on Node, was told of."""
    extra = os.environ.get("NODE_EXTRA_CA_CERTS")
    if extra:
        with contextlib.suppress(OSError):  # as with Node: it is passed over
            context.load_verify_locations(extra)


def _load_system_store(context: ssl.SSLContext) -> None:
    """Load what OpenSSL, or SSL_CERT_FILE and SSL_CERT_DIR, point at; else a known bundle."""
    places = ssl.get_default_verify_paths()
    if places.cafile or (places.capath and any(Path(places.capath).iterdir())):
        context.set_default_verify_paths()
        return
    for bundle in _BUNDLES:
        with contextlib.suppress(OSError):  # it is not there, or holds no certificate
            context.load_verify_locations(bundle)
            return
