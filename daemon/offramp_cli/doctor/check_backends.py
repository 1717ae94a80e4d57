"""Whether each backend can be reached, and what stands on the way: proxy, name, TLS, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_cli.doctor import check_environment, connection_probe
from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.addresses import host_of, is_loopback
from offramp_core.services import SERVICES
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from offramp_cli.doctor.connection_probe import Method, Stage, Way
    from offramp_cli.doctor.context import Surroundings
    from offramp_cli.doctor.finding import Remark
    from offramp_core.settings import Backend

_LARGEST_SKEW_S = 60.0
_DATE_STEP_S = 2.0
"""An answer's date has whole seconds, and a way to come."""
_FEWEST_DAYS = 7.0
_SLOW_S = 3.0
_FORBIDDEN = 403
_WITH_LOGIN = 407
_SERVER_ERROR = 500

_BUILT_IN_HOSTS = frozenset(host_of(service.backend.base_url) for service in SERVICES)
_PUBLIC_AUTHORITIES = (
    *("Amazon", "Cloudflare", "Comodo", "DigiCert", "Entrust", "GeoTrust", "GlobalSign"),
    *(
        "GoDaddy",
        "Google",
        "Internet Security Research Group",
        "ISRG",
        "Let's Encrypt",
        "Microsoft",
    ),
    *("Sectigo", "SSL Corp", "TrustAsia", "WoTrus", "ZeroSSL", "Actalis", "Buypass", "Certum"),
)
"""How the names of those begin that issue certificates for public sites."""

_CURES: Mapping[Stage, str] = {
    "proxy": "Check HTTPS_PROXY (and NO_PROXY) where the daemon runs.",
    "dns": "Check the network connection and its name server; behind a company's proxy set "
    "HTTPS_PROXY.",
    "connect": "Check the network connection and the firewall; behind a company's proxy set "
    "HTTPS_PROXY.",
    "tls": "Something on the way speaks no TLS: a firewall, or a network's login page.",
    "http": "Try again later. If it lasts, something on the way holds requests back.",
}
_CERTIFICATE_CURE = (
    "If your company inspects traffic, add its authority to the system's certificates (or name the "
    "file in SSL_CERT_FILE where the daemon runs). If not, don't trust this network."
)
_CLOCK_CURE = "Set this machine's clock (date and time zone), best by the network."


def look(surroundings: Surroundings, backend: Backend) -> Way:
    """Go there as the daemon would."""
    environments = check_environment.look(surroundings)
    method, target = _harmless(backend)
    return connection_probe.walk(
        backend.base_url,
        target,
        method=method,
        environ=environments.in_force,
        platform=surroundings.platform,
    )


def judge(backend: Backend, way: Way) -> Iterator[Remark]:
    """What the way says about the backend, the network and the clock."""
    if way.failed is not None:
        yield failure(_end_text(backend, way), _end_cure(way))
        return
    yield ok(_way_text(way)) if not _is_portal(way) else _portal(way)
    yield from _of_answer(backend, way)
    yield from _of_certificate(way)
    yield from _of_clock(way)
    if way.unanswered:
        yield note(
            f"{', '.join(way.unanswered)} did not answer; another address did.",
            "If requests are slow to begin: mend IPv6 on this network, or switch it off.",
        )


def _harmless(backend: Backend) -> tuple[Method, str]:
    """A request that asks for nothing: Claude Code's own before it works, or a list of models."""
    return ("HEAD", "/api/hello") if backend.name == ANTHROPIC else ("GET", "/v1/models")


def _way_text(way: Way) -> str:
    parts = [f"{way.base_url} answers in {format_duration(way.took_s)} (HTTP {way.status})"]
    if way.proxy is not None:
        parts.append(f"through the proxy {way.proxy}")
    if way.tls is not None:
        days = "" if way.days_left is None else f", valid for {way.days_left:.0f} days"
        parts.append(f"{way.tls}, certificate by {way.issuer or 'an unnamed authority'}{days}")
    if way.skew_s is not None:
        skew_s = abs(way.skew_s)
        is_alike = skew_s < _DATE_STEP_S
        parts.append("clocks agree" if is_alike else f"clocks differ by {format_duration(skew_s)}")
    return ", ".join(parts) + "."


def _end_text(backend: Backend, way: Way) -> str:
    through = f" through the proxy {way.proxy}" if way.proxy else ""
    host = urlsplit(way.base_url).netloc
    match way.failed:
        case "proxy":
            at = f" ({way.proxy})" if way.proxy else ""
            return f"{host} can't be reached: the proxy{at} fails: {way.why}."
        case "dns":
            return f"{host} can't be reached: {way.why}."
        case "certificate":
            issuer = f", issued by {way.issuer}" if way.issuer else ""
            return f"The certificate of {host}{issuer}, is not trusted{through}: {way.why}."
        case _:
            return f"{backend.name} can't be reached at {host}{through}: {way.why}."


def _end_cure(way: Way) -> str:
    assert way.failed is not None
    if way.failed != "certificate":
        return _CURES[way.failed]
    if "expired" in way.why or "not yet valid" in way.why:
        return f"{_CLOCK_CURE} If it is right, the service's certificate is at fault."
    return _CERTIFICATE_CURE


def _is_portal(way: Way) -> bool:
    """Whether somebody else answered, as networks do that want a login first."""
    host = host_of(way.base_url)
    if is_loopback(host):
        return False
    location = way.headers.get("location", "")
    leads_away = location.startswith("http") and host_of(location) != host
    is_page = way.headers.get("content-type", "").startswith("text/html")
    return leads_away or (is_page and way.tls is None)


def _portal(way: Way) -> Remark:
    location = way.headers.get("location", "")
    to = f", sending it on to {host_of(location)}" if location else ""
    return failure(
        f"Somebody else answers for {urlsplit(way.base_url).netloc} (HTTP {way.status}{to}).",
        "It may be this network's login page: open any site in a browser, and log in there.",
    )


def _of_answer(backend: Backend, way: Way) -> Iterator[Remark]:
    status = way.status or 0
    if status >= _SERVER_ERROR:
        yield warning(
            f"{backend.name} answers with an error of its own (HTTP {status}).",
            "Wait, or look at its status page; `offramp pause` sends everything to Anthropic."
            if backend.name != ANTHROPIC
            else "Wait, or look at its status page.",
        )
    elif status == _WITH_LOGIN:
        yield failure(
            "The proxy wants a login (HTTP 407).",
            "Put it into the proxy's address: http://USER:PASSWORD@HOST:PORT",
        )
    elif status == _FORBIDDEN:
        yield warning(
            f"{backend.name} refuses this network (HTTP 403).",
            "It may not serve this country or this address; try without VPN, or with.",
        )
    if way.took_s > _SLOW_S:
        yield note(f"That took {format_duration(way.took_s)}: the network is slow.")


def _of_certificate(way: Way) -> Iterator[Remark]:
    host = host_of(way.base_url)
    if way.days_left is not None and way.days_left < _FEWEST_DAYS:
        yield note(f"The certificate of {host} expires in {way.days_left:.0f} days.")
    if way.issuer is None or host not in _BUILT_IN_HOSTS:
        return
    if not way.issuer.casefold().startswith(tuple(map(str.casefold, _PUBLIC_AUTHORITIES))):
        yield warning(
            f"The certificate of {host} is by {way.issuer}, which issues none for public sites: "
            "somebody reads this traffic, your Claude login in it.",
            "If that is your company's doing and known to you, all is well. If not, don't use this "
            "network.",
        )


def _of_clock(way: Way) -> Iterator[Remark]:
    if way.skew_s is not None and abs(way.skew_s) > _LARGEST_SKEW_S:
        side = "ahead of" if way.skew_s > 0 else "behind"
        yield warning(
            f"This machine's clock is {format_duration(abs(way.skew_s))} {side} the service's.",
            f"{_CLOCK_CURE} Weeks, pauses and records go by it.",
        )
