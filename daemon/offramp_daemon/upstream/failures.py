"""What a client hears about a service that could not be reached, or gave no answer.

The texts name hosts, and never the address of a proxy, which may hold a password.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from offramp_core.control import api
from offramp_core.outbound_proxy import BadProxyError
from offramp_daemon.messages.answers.errors import Failure
from offramp_daemon.upstream.errors import (
    BadAnswerError,
    CertificateError,
    ConnectError,
    ConnectTimeoutError,
    DisconnectedError,
    NameLookupError,
    ProxyRefusedError,
    ProxyUnreachableError,
    TlsError,
)
from offramp_daemon.upstream.socks import SocksError

_CURE = "Check HTTPS_PROXY (or HTTP_PROXY, or ALL_PROXY) where the daemon runs."


def of_error(error: Exception, base_url: str, *, skipped: str | None = None) -> Failure:
    """What to say to the client about an upstream that did not answer.

    `skipped` is why a proxy on the way was not used, which may be what is wrong.
    """
    text = _text(error, urlsplit(base_url).netloc)
    if skipped is not None:
        text = f"{text} {skipped}"
    status = 504 if isinstance(error, ConnectTimeoutError) else 502
    return Failure(status=status, message=f"Offramp: {text}", trouble=api.UNREACHABLE)


def _text(error: Exception, host: str) -> str:
    match error:
        case NameLookupError():
            text = f"The name {host} could not be looked up (DNS). Check the network connection."
        case CertificateError():
            text = f"The certificate of {_whom(error, host)} is not trusted: {error}."
        case TlsError():
            text = f"No secure connection (TLS) to {_whom(error, host)}: {error}."
        case ProxyUnreachableError():
            text = f"The HTTP proxy on the way to {host} could not be reached. {_CURE}"
        case SocksError():
            what = "could not be reached" if error.is_unreachable else "gave no connection"
            text = f"The SOCKS proxy on the way to {host} {what}: {error}. {_CURE}"
        case BadProxyError():
            text = f"The proxy on the way to {host} can't be used: {error}. {_CURE}"
        case ProxyRefusedError():
            text = f"The HTTP proxy on the way to {host} refused with status {error.status}."
        case ConnectTimeoutError():
            text = f"{host} did not accept a connection in time."
        case ConnectError():
            text = f"{host} can't be reached: {error}."
        case DisconnectedError() | OSError():
            text = f"{host} closed the connection before it answered."
        case BadAnswerError():
            text = f"{host} gave no usable answer: {error}."
        case _:
            text = f"{host} gave no usable answer: {type(error).__name__}."
    return text


def _whom(error: TlsError, host: str) -> str:
    return f"the HTTP proxy on the way to {host}" if error.is_of_proxy else host
