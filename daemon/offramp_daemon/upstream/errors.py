"""What can go wrong between a request and the end of its answer. No text here names an address."""

from __future__ import annotations

from offramp_core.errors import OfframpError


class UpstreamError(OfframpError):
    """There is no answer, or no more of it."""


class NameLookupError(UpstreamError):
    """The name of the host could not be looked up."""


class ConnectError(UpstreamError):
    """The host took no connection; the text is the system's reason."""


class ConnectTimeoutError(UpstreamError):
    """There was no connection in time."""


class TlsError(UpstreamError):
    """The connection could not be secured; the text is OpenSSL's reason."""

    is_of_proxy = False
    """Whether it was the connection to the HTTP proxy on the way."""


class CertificateError(TlsError):
    """The certificate is not trusted; the text is OpenSSL's reason."""


class ProxyUnreachableError(UpstreamError):
    """The HTTP proxy on the way could not be reached."""


class ProxyRefusedError(UpstreamError):
    """The HTTP proxy on the way gave no tunnel."""

    def __init__(self, status: int) -> None:
        """Keep the status that it answered with."""
        super().__init__(f"refused with status {status}")
        self.status = status


class DisconnectedError(UpstreamError):
    """The connection ended before the answer's head was whole."""

    def __init__(self, *, is_stale: bool = False) -> None:
        """`is_stale` says that a kept connection was dead before the service had the request.

        That is so where it ended at once, and no byte of an answer came.
        """
        super().__init__("the connection was closed before an answer came")
        self.is_stale = is_stale


class BadAnswerError(UpstreamError):
    """What came breaks HTTP's rules; the text says which, as the end of a sentence."""


class BrokenAnswerError(UpstreamError):
    """The connection ended in the middle of an answer's body."""
