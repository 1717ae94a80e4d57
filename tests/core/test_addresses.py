"""Which hosts and base URLs are usable, and which are this machine."""

from __future__ import annotations

import pytest

from offramp_core.addresses import (
    base_url_problem,
    is_loopback,
    is_self,
    is_usable_host,
    normal_base_url,
)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "127.0.0.1",
        "127.255.0.9",
        "::1",
        "127.1",
        "0x7f.1",
    ],
)
def test_host_only_this_machine_reaches_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", "", "127.0.0.1\0"]
)
def test_host_others_reach_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["a", "a-b.c_d", "example.com.", "1.2.3.4", "::1", "fe80::1%eth0", "127.1", "10.1.", "v1"],
)
def test_name_or_address_is_a_usable_host(host: str) -> None:
    assert is_usable_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        "a b",
        "a:1",
        "[::1]",
        "*",
        "ü",
        "a/b",
        "x" * 64,
        "x." * 127 + "x",
        "1.2.3.256",
    ],
)
def test_other_text_is_no_usable_host(host: str) -> None:
    assert not is_usable_host(host)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://api.example.com", "https://api.example.com"),
        ("HTTPS://API.Example.com:8443/Path//", "https://api.example.com:8443/Path"),
        ("http://[::1]:80/a%20b/", "http://[::1]:80/a%20b"),
        ("http://x/a:b/c", "http://x/a:b/c"),
    ],
)
def test_usable_base_url_is_normalised(url: str, normal: str) -> None:
    assert base_url_problem(url) is None
    assert normal_base_url(url) == normal
    assert normal_base_url(normal) == normal


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:3001/api", True),
        ("http://studio.local:3001", True),
        ("http://localhost:3002", False),
        ("http://localhost", False),
        ("http://example.com:3001", False),
    ],
)
def test_address_of_the_daemon_is_recognised(url: str, expected: bool) -> None:
    assert is_self(url, host="Studio.local", port=3001) is expected


def test_other_spelling_of_the_configured_address_is_recognised() -> None:
    assert is_self("http://[2001:db8:0:0::1]:3001", host="2001:db8::1", port=3001)
