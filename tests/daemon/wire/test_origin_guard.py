"""Web pages and other machines are kept away; the user's own clients are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from request_bodies import unhurried

from offramp_core.settings import Secret, Settings
from offramp_daemon.wire import origin_guard

TOKEN = "a1b2c3d4e5f60718293a4b5c"
DEFAULTS = Settings()
GUARDED = Settings(host="0.0.0.0", client_token=Secret(TOKEN))


def refusal(settings=DEFAULTS, *, peer="", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return origin_guard.refusal(CIMultiDict(named), settings, peer=peer)


@pytest.mark.parametrize(
    "host",
    [
        "localhost:3001",
        "localhost",
        "LOCALHOST:3001",
        "localhost.",
        "localhost:",
        "app.localhost:3001",
        "127.0.0.1:3001",
        "127.0.0.1",
        "127.0.0.2:80",
        "127.255.255.254",
        "[::1]:3001",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:3001",
        "[::1%lo0]:3001",
        "[::1%25lo0]:3001",
    ],
)
def test_this_machines_names_are_served(host):
    assert refusal(Host=host) is None
    assert refusal(Host=host, Origin=f"http://{host}") is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evil.com:3001",
        "localhost.evil.com:3001",
        "127.0.0.1.evil.com",
        "127.0.0.1.nip.io:3001",
        "evil.com#localhost",
        "evil.com/localhost",
        "evil.com?localhost",
        "evil.com\\@localhost",
        "localhost@evil.com",
        "user@localhost",
        "localhost/x",
        "localhost#x",
        "localhost:80:80",
        "localhost:port",
        "localhost evil.com",
        "notlocalhost",
        "xlocalhost:3001",
        "loc\tlocalhost",
        "0.0.0.0:3001",
        "[::]:3001",
        "192.168.1.4:3001",
        "10.0.0.1",
        "169.254.169.254",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[fe80::1%25lo0]:3001",
        "[::1]evil.com",
        "[::1",
        "::1",
        "[127.0.0.1.evil.com]",
        "[v1.x]",
        "",
        ":3001",
        "...",
        "\u0661\u0662\u0667.0.0.1",
        "localhost\udcff",
    ],
)
def test_every_other_host_is_refused(host):
    why = refusal(Host=host)
    assert why is not None
    assert "allowed_hosts" in why
    assert refusal(Host="localhost:3001", Origin=f"http://{host}") is not None


def test_request_without_host_is_no_browsers():
    assert refusal() is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.com",
        "https://localhost.evil.com",
        "http://localhost:3001.evil.com",
        "http://127.0.0.1.evil.com",
        "http://localhost@evil.com",
        "http://evil.com\\@localhost",
        "http://evil.com#localhost",
        "http://evil.com/http://localhost",
        "http://localhosts",
        "https://localhost:3001evil.com",
        "localhost",
        "localhost:3001",
        "//localhost",
        "file://",
        "chrome-extension://abcdefghijklmnop",
        "http://192.168.1.4:3001",
        "http://localhost http://evil.com",
        "://",
    ],
)
def test_foreign_origin_is_refused(origin):
    assert refusal(Host="localhost:3001", Origin=origin) is not None


OTHER_PAGES = [
    "http://localhost",
    "http://localhost:80",
    "http://localhost:5173",
    "http://localhost:8000",
    "http://LOCALHOST.:8000",
    "http://127.0.0.1:3000",
    "http://127.0.0.2:3002",
    "http://[::1]:8080",
    "http://app.localhost:5173",
    "https://localhost:3001",
    "https://localhost",
    "https://127.0.0.1:3001",
    "HTTPS://LOCALHOST:8443",
    "ws://localhost:3001",
    "tauri://localhost",
    "vscode-webview://0abc",
    "app://localhost:3001",
    "http://localhost:3001.",
    "http://localhost:030010",
    "http://localhost:99999999999",
]


@pytest.mark.parametrize("origin", OTHER_PAGES)
def test_page_on_another_port_or_scheme_of_this_machine_is_refused(origin):
    for host in ("localhost:3001", "127.0.0.1:3001", "[::1]:3001"):
        why = refusal(Host=host, Origin=origin)
        assert why is not None
        assert "allowed_origins" in why
    assert refusal(Origin=origin) is not None


@pytest.mark.parametrize("origin", [*OTHER_PAGES, "https://evil.com", "about:blank", ""])
def test_request_with_only_a_page_as_referer_is_refused(origin):
    for referer in (origin, f"{origin}/", f"{origin}/app?x=http://localhost:3001/"):
        assert refusal(Host="localhost:3001", Referer=referer) is not None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:3001", "http://localhost:3001"),
        ("localhost:3001", "HTTP://LocalHost.:3001"),
        ("127.0.0.1:3001", "http://localhost:3001"),
        ("[::1]:4002", "http://127.0.0.1:4002"),
        ("localhost", "http://localhost:80"),
        ("localhost:80", "http://localhost"),
    ],
)
def test_page_at_the_address_that_was_asked_is_served(host, origin):
    assert refusal(Host=host, Origin=origin) is None
    assert refusal(Host=host, Referer=f"{origin}/health") is None
    assert refusal(Host=host, Origin=origin, Referer="http://localhost:8000/") is None


@pytest.mark.parametrize(
    ("origin", "listed"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("HTTP://Localhost:8000", "http://localhost:8000"),
        ("http://localhost", "http://localhost"),
        ("https://chat.example:443", "https://chat.example"),
        ("tauri://localhost", "tauri://localhost"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_listed_page_is_served(origin, listed):
    settings = Settings(allowed_origins=("http://other:1", listed))
    assert refusal(settings, Host="localhost:3001", Origin=origin) is None
    assert refusal(settings, Host="localhost:3001", Referer=f"{origin}/x") is None
    for site in ("cross-site", "same-site"):
        headers = {"Origin": origin, "Sec_Fetch_Site": site}
        assert refusal(settings, Host="localhost:3001", **headers) is None


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8001",
        "https://localhost:8000",
        "http://localhost",
        "http://x.localhost:8000",
        "http://localhost:8000.evil.com",
        "null",
        "",
    ],
)
def test_page_beside_a_listed_one_is_refused(origin):
    settings = Settings(allowed_origins=("http://localhost:8000",))
    assert refusal(settings, Host="localhost:3001", Origin=origin) is not None
    assert refusal(settings, Host="evil.com", Origin="http://localhost:8000") is not None


@pytest.mark.parametrize(
    ("site", "is_refused"),
    [
        ("cross-site", True),
        ("Cross-Site", True),
        ("same-site", True),
        ("SAME-SITE ", True),
        ("future-site", True),
        ("same-origin", False),
        ("none", False),
    ],
)
def test_request_from_another_sites_page_is_refused(site, is_refused):
    assert (refusal(Host="localhost", Sec_Fetch_Site=site) is not None) is is_refused


def test_allowed_hosts_and_the_bound_host_are_this_machine():
    named = Settings(host="10.1.2.3", allowed_hosts=("Studio.local", "fe80::1"))
    for host in ("studio.local:3001", "STUDIO.LOCAL.", "10.1.2.3:3001", "[fe80::1]:3001"):
        assert refusal(named, Host=host) is None
        assert refusal(named, Host=host, Origin=f"http://{host}") is None
    for host in ("evil.studio.local", "studio.local.evil.com", "10.1.2.4"):
        assert refusal(named, Host=host) is not None


def test_page_on_another_port_of_an_allowed_host_is_refused():
    named = Settings(allowed_hosts=("studio.local",))
    for origin in ("http://studio.local:8000", "https://studio.local:3001", "http://studio.local"):
        assert refusal(named, Host="studio.local:3001", Origin=origin) is not None


CONTAINERS_HOSTS = [
    "host.docker.internal:3001",
    "HOST.Docker.Internal.",
    "gateway.docker.internal:3001",
    "kubernetes.docker.internal:3001",
    "docker.for.mac.host.internal",
    "host.containers.internal:3001",
    "host.lima.internal:3001",
    "host.orb.internal:3001",
    "host.rancher-desktop.internal:3001",
    "host.minikube.internal:3001",
    "host.k3d.internal:3001",
    "172.17.0.1:3001",
    "172.18.0.1",
    "192.168.65.254:3001",
    "10.0.2.2:3001",
]


@pytest.mark.parametrize("host", CONTAINERS_HOSTS)
def test_name_that_a_container_has_for_this_machine_is_served_from_loopback(host):
    for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert refusal(Host=host, peer=peer) is None
    for peer in ("", "192.168.65.3", "172.17.0.2", "2001:db8::1"):
        assert refusal(Host=host, peer=peer) is not None


@pytest.mark.parametrize("host", CONTAINERS_HOSTS)
def test_name_that_a_container_has_for_this_machine_is_no_origin(host):
    """A page by such a name can only come from a name server that leads there and here by turns."""
    foreign = [
        {"Origin": f"http://{host}"},
        {"Origin": "http://evil.com"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
    ]
    for headers in foreign:
        assert refusal(Host=host, peer="127.0.0.1", **headers) is not None
    assert refusal(Host="localhost", peer="127.0.0.1", Origin=f"http://{host}") is not None


@pytest.mark.parametrize(
    "host",
    [
        "internal",
        ".internal",
        "host.docker.internal.evil.com",
        "evil.com/.internal",
        "evil.com#.internal",
        "x@host.docker.internal",
        "evil.com:80.internal",
        "host.docker.internal:port",
        "a..internal",
        "xinternal",
        "evil.com",
        "192.168.1.4:3001",
        "172.15.0.1",
        "172.32.0.1",
        "0.0.0.0:3001",
        "169.254.169.254",
        "8.8.8.8",
    ],
)
def test_other_names_are_refused_from_loopback_too(host):
    assert refusal(Host=host, peer="127.0.0.1") is not None


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({"X-Offramp-Token": TOKEN}, False),
        ({"x-offramp-token": TOKEN}, False),
        ({}, True),
        ({"x-offramp-token": ""}, True),
        ({"x-offramp-token": TOKEN[:-1]}, True),
        ({"x-offramp-token": TOKEN + "x"}, True),
        ({"x-offramp-token": TOKEN.upper()}, True),
        ({"x-offramp-token": "tökén-\udcff"}, True),
        ({"Authorization": f"Bearer {TOKEN}"}, True),
    ],
)
def test_client_token_is_asked_for_where_one_is_set(headers, is_refused):
    why = origin_guard.refusal(CIMultiDict({"Host": "192.168.1.4:3001", **headers}), GUARDED)
    assert (why is not None) is is_refused
    assert why is None or TOKEN not in why


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.com"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_token_does_not_open_the_door_to_web_pages(headers):
    headers = {"Host": "studio:3001", "x-offramp-token": TOKEN, **headers}
    assert origin_guard.refusal(CIMultiDict(headers), GUARDED) is not None


def test_reason_quotes_a_bounded_part_of_what_came():
    for why in (refusal(Host="e" * 9000), refusal(Origin="http://" + "e" * 9000)):
        assert why is not None
        assert len(why) < 300


@unhurried
@given(st.text(max_size=30))
def test_nothing_makes_a_foreign_name_local(noise):
    for host in (noise + "evil.com", noise + "evil.com:3001", f"localhost{noise}evil.com"):
        assert refusal(Host=host) is not None
        assert refusal(Host=host, peer="127.0.0.1") is not None
        assert refusal(Host="localhost", Origin=f"http://{host}") is not None


@unhurried
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_header_breaks_the_check(host, origin, site):
    refusal(Host=host, Origin=origin, Sec_Fetch_Site=site)
