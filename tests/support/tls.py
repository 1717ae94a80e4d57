"""Certificates made for one test run, by the `openssl` command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CONFIG = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = Offramp's tests
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:false
extendedKeyUsage = serverAuth
subjectAltName = {names}
authorityKeyIdentifier = keyid
"""
_KEY = ("-newkey", "rsa:2048", "-nodes")


@dataclass(frozen=True)
class Certificates:
    """An authority, and a certificate that it gave to `names` (`DNS:…`, `IP:…`)."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context


def has_openssl() -> bool:
    return shutil.which("openssl") is not None


def make_certificates(folder: Path, names: str) -> Certificates:
    (folder / "openssl.cnf").write_text(_CONFIG.format(names=names))

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl(
        *("req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30"),
        *("-config", "openssl.cnf", "-extensions", "authority"),
    )
    openssl(
        *("req", *_KEY, "-keyout", "server.key", "-out", "server.csr", "-config", "openssl.cnf")
    )
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-CAcreateserial", "-out", "server.pem", "-days", "30"),
        *("-extfile", "openssl.cnf", "-extensions", "server"),
    )
    return Certificates(folder)
