"""Whether each backend can be reached, and what stands on the way: proxy, name, TLS, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from offramp_cli.doctor import connection_probe
from offramp_cli.doctor.checks import check_environment
from offramp_cli.doctor.finding import failure, note, ok, warning
from offramp_core.addresses import host_of, is_loopback
from offramp_core.services import SERVICES
from offramp_core.settings import ANTHROPIC
from offramp_core.wording.formatting import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from offramp_cli.doctor.connection_probe import ConnectionTrace, Method, Stage
    from offramp_cli.doctor.context import DoctorContext
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
    "proxy": "Check HTTPS_PROXY (or HTTP_PROXY, ALL_PROXY, NO_PROXY) where the daemon runs.",
    "dns": "Check the network connection and its name server; behind a company's proxy set "
    "HTTPS_PROXY.",
    "connect": "Check the network connection and the firewall; behind a company's proxy set "
    "HTTPS_PROXY.",
    "tls": "Something on the way does not use TLS: a firewall, or a network's login page.",
    "http": "Try again later. If it happens again, something on the way is holding requests back.",
}
_CERTIFICATE_CURE = (
    "If your company inspects traffic, add its certificate authority to the system's "
    "certificates (or name its file in SSL_CERT_FILE where the daemon runs). If not, don't trust "
    "this network."
)
_CLOCK_CURE = "Set this machine's clock (date and time zone), preferably from the network."


def look(context: DoctorContext, backend: Backend) -> ConnectionTrace:
    """Go there as the daemon would."""
    environments = check_environment.look(context)
    method, target = _harmless(backend)
    return connection_probe.probe(
        backend.base_url,
        target,
        method=method,
        environ=environments.in_force,
        platform=context.platform,
    )


def judge(backend: Backend, trace: ConnectionTrace) -> Iterator[Remark]:
    """What the way says about the backend, the network and the clock."""
    if trace.failed is not None:
        yield failure(_end_text(backend, trace), _end_cure(trace))
        return
    yield ok(_trace_text(trace)) if not _is_portal(trace) else _portal(trace)
    yield from _of_answer(backend, trace)
    yield from _of_certificate(trace)
    yield from _of_clock(trace)
    if trace.unanswered:
        yield note(
            f"{', '.join(trace.unanswered)} did not answer; another address did.",
            "If requests are slow to begin, fix IPv6 on this network, or switch it off.",
        )


def _harmless(backend: Backend) -> tuple[Method, str]:
    """A request that asks for nothing: Claude Code's own before it works, or a list of models."""
    return ("HEAD", "/api/hello") if backend.name == ANTHROPIC else ("GET", "/v1/models")


def _trace_text(trace: ConnectionTrace) -> str:
    parts = [f"{trace.base_url} answers in {format_duration(trace.took_s)} (HTTP {trace.status})"]
    if trace.proxy is not None:
        parts.append(f"through the proxy {trace.proxy}")
    if trace.skipped_proxy is not None:
        parts.append(f"directly, since {trace.skipped_proxy} (ALL_PROXY) can't be reached")
    if trace.tls is not None:
        days = "" if trace.days_left is None else f", valid for {trace.days_left:.0f} days"
        parts.append(f"{trace.tls}, certificate by {trace.issuer or 'an unnamed authority'}{days}")
    if trace.skew_s is not None:
        skew_s = abs(trace.skew_s)
        is_alike = skew_s < _DATE_STEP_S
        parts.append("clocks agree" if is_alike else f"clocks differ by {format_duration(skew_s)}")
    return ", ".join(parts) + "."


def _end_text(backend: Backend, trace: ConnectionTrace) -> str:
    through = f" through the proxy {trace.proxy}" if trace.proxy else ""
    host = urlsplit(trace.base_url).netloc
    match trace.failed:
        case "proxy":
            at = f" ({trace.proxy})" if trace.proxy else ""
            return f"{host} can't be reached: the proxy{at} fails: {trace.why}."
        case "dns":
            return f"{host} can't be reached: {trace.why}."
        case "certificate":
            issuer = f", issued by {trace.issuer}" if trace.issuer else ""
            return f"The certificate of {host}{issuer}, is not trusted{through}: {trace.why}."
        case _:
            return f"{backend.name} can't be reached at {host}{through}: {trace.why}."


def _end_cure(trace: ConnectionTrace) -> str:
    assert trace.failed is not None
    if trace.failed != "certificate":
        return _CURES[trace.failed]
    if "expired" in trace.why or "not yet valid" in trace.why:
        return f"{_CLOCK_CURE} If it is right, the service's certificate is at fault."
    return _CERTIFICATE_CURE


def _is_portal(trace: ConnectionTrace) -> bool:
    """Whether somebody else answered, as networks do that want a login first."""
    host = host_of(trace.base_url)
    if is_loopback(host):
        return False
    location = trace.headers.get("location", "")
    leads_away = location.startswith("http") and host_of(location) != host
    is_page = trace.headers.get("content-type", "").startswith("text/html")
    return leads_away or (is_page and trace.tls is None)


def _portal(trace: ConnectionTrace) -> Remark:
    location = trace.headers.get("location", "")
    to = f", sending it on to {host_of(location)}" if location else ""
    return failure(
        f"Something else answers in place of {urlsplit(trace.base_url).netloc} (HTTP "
        f"{trace.status}{to}).",
        "It may be this network's login page: open any site in a browser, and log in there.",
    )


def _of_answer(backend: Backend, trace: ConnectionTrace) -> Iterator[Remark]:
    status = trace.status or 0
    if status >= _SERVER_ERROR:
        yield warning(
            f"{backend.name} answers with an error (HTTP {status}).",
            "Wait, or look at its status page; `offramp pause` sends everything to Anthropic."
            if backend.name != ANTHROPIC
            else "Wait, or look at its status page.",
        )
    elif status == _WITH_LOGIN:
        yield failure(
            "The proxy requires a login (HTTP 407).",
            "Add it to the proxy's address: http://USER:PASSWORD@HOST:PORT",
        )
    elif status == _FORBIDDEN:
        yield warning(
            f"{backend.name} refuses this network (HTTP 403).",
            "It may not serve this country or this address; try with or without a VPN.",
        )
    if trace.took_s > _SLOW_S:
        yield note(f"That took {format_duration(trace.took_s)}: the network is slow.")


def _of_certificate(trace: ConnectionTrace) -> Iterator[Remark]:
    host = host_of(trace.base_url)
    if trace.days_left is not None and trace.days_left < _FEWEST_DAYS:
        yield note(f"The certificate of {host} expires in {trace.days_left:.0f} days.")
    if trace.issuer is None or host not in _BUILT_IN_HOSTS:
        return
    if not trace.issuer.casefold().startswith(tuple(map(str.casefold, _PUBLIC_AUTHORITIES))):
        yield warning(
            f"The certificate of {host} is from {trace.issuer}, which does not issue certificates "
            "for public sites: somebody reads this traffic, including your Claude login.",
            "If this is your company and you know about it, ignore this. If not, don't use this "
            "network.",
        )


def _of_clock(trace: ConnectionTrace) -> Iterator[Remark]:
    if trace.skew_s is not None and abs(trace.skew_s) > _LARGEST_SKEW_S:
        side = "ahead of" if trace.skew_s > 0 else "behind"
        yield warning(
            f"This machine's clock is {format_duration(abs(trace.skew_s))} {side} the service's.",
            f"{_CLOCK_CURE} Weeks, pauses and records depend on it.",
        )
