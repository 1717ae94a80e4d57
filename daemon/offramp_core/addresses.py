"""Hosts and base URLs: which are usable, which are this machine. It looks no name up."""

from __future__ import annotations

import ipaddress
import re
import socket

_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_MAX_NAME_LENGTH = 253
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?[0-9]+\.?")
"""No domain is a number: what ends in one is an IP address, or a slip in one."""
_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?P<colon>:(?P<port>.*))?")
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#\\]+)/?", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:%/-]*")
_HIGHEST_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_usable_host(host: str) -> bool:
    """Whether `host` can be a name or an IP address (an IPv6 one without brackets)."""
    if ":" in host or _ENDS_IN_NUMBER.fullmatch(host):
        return is_ip_address(host)
    return len(host) <= _MAX_NAME_LENGTH and _NAME.fullmatch(host) is not None


def is_ip_address(host: str) -> bool:
    """Whether `host` is an IP address and not a name (an IPv6 one without brackets)."""
    return _ip_address(host.rstrip(".")) is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: localhost, 127.0.0.0/8, ::1, however written."""
    name = host.lower().rstrip(".")
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    address = _ip_address(host)
    return address is not None and address.is_loopback


def base_url_problem(url: str) -> str | None:
    """What is wrong with `url` as the address of a service, as the end of a sentence.

    Written by hand rather than with urllib.parse, which drops tabs and line ends without a word and
    repeats the text (which may hold a password) in its errors.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "is not an http:// or https:// address"
    if "?" in url or "#" in url:
        return "has a query or a fragment"
    authority, slash, path = url[scheme.end() :].partition("/")
    if "@" in url:
        return "contains a user name or a password"
    parts = _AUTHORITY.fullmatch(authority)
    host = parts["host"] if parts else ""
    if parts is None or not (_is_bracketed_ip(host) if "[" in host else is_usable_host(host)):
        return "has no usable host"
    if parts["colon"] and not _is_port(parts["port"]):
        return "has a port that is not a number from 1 to 65535"
    segments = (slash + path).split("/")
    if not _PATH.fullmatch(path) or "." in segments or ".." in segments:
        return "has a path with characters that do not belong there"
    return None


def normal_base_url(url: str) -> str:
    """A `url` without problems in the form to which a request's path is appended."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{authority.lower()}{slash}{path}".rstrip("/")


def host_of(base_url: str) -> str:
    """The host of a normal `base_url`, without port, brackets or a closing dot."""
    authority = base_url.partition("://")[2].partition("/")[0]
    parts = _AUTHORITY.fullmatch(authority)
    return parts["host"].strip("[]").rstrip(".").lower() if parts else ""


def normal_origin(text: str) -> str | None:
    """Write the origin of a web page so that equal ones compare equal; None if it is none.

    Without a path and in lower case; `null`, which stands for any page, is none.
    """
    found = _ORIGIN.fullmatch(text)
    parts = _AUTHORITY.fullmatch(found["authority"]) if found else None
    if found is None or parts is None:
        return None
    host, scheme = parts["host"].lower().rstrip("."), found["scheme"].lower()
    if not (_is_bracketed_ip(host) if "[" in host else is_usable_host(host)):
        return None
    if not parts["port"]:
        return f"{scheme}://{host}"
    if not _is_port(parts["port"]):
        return None
    port = int(parts["port"])
    return (
        f"{scheme}://{host}" if _DEFAULT_PORTS.get(scheme) == port else f"{scheme}://{host}:{port}"
    )


def is_self(base_url: str, *, host: str, port: int) -> bool:
    """Whether a normal `base_url` leads back to a daemon that listens on `host` and `port`."""
    scheme, _, rest = base_url.partition("://")
    parts = _AUTHORITY.fullmatch(rest.partition("/")[0])
    if parts is None:
        return False
    their_host = parts["host"].strip("[]")
    their_port = int(parts["port"]) if parts["port"] else _DEFAULT_PORTS.get(scheme)
    if their_port != port:
        return False
    address = _ip_address(their_host)
    return (
        is_loopback(their_host)
        or (address is not None and address.is_unspecified)
        or their_host.rstrip(".") == host.lower().rstrip(".")
        or (address is not None and address == _ip_address(host))
    )


def leads_here(url: str, *, host: str, port: int) -> bool:
    """Whether any `url`, however written, leads to a daemon that listens on `host` and `port`."""
    if base_url_problem(url) is not None:
        return False
    return is_self(normal_base_url(url), host=host, port=port)


def client_base_url(*, host: str, port: int) -> str:
    """The base URL that a client on this machine is given for a daemon on `host` and `port`."""
    address = _ip_address(host)
    if host.lower() == "localhost" or host in {"127.0.0.1", "::1"}:
        host = "localhost"
    elif address is not None and address.is_unspecified:
        host = "[::1]" if ":" in host else "localhost"
    elif ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"


def claude_code_line(base_url: str, *, has_token: bool) -> str:
    """What to type for Claude Code to use `base_url`; with a token, the address is not enough."""
    return "offramp connect" if has_token else f"export ANTHROPIC_BASE_URL={base_url}"


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and 1 <= int(text) <= _HIGHEST_PORT


def _is_bracketed_ip(host: str) -> bool:
    """Whether `[…]` holds an IPv6 address, the only kind that is written so."""
    return ":" in host and _ip_address(host[1:-1]) is not None


def _ip_address(host: str) -> IPAddress | None:
    """`host` as an IP address, in any spelling that the system would connect to (127.1, say)."""
    address: IPAddress | None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = _old_spelling(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _old_spelling(host: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
