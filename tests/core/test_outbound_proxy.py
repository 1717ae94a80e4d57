"""Which proxy is on the way: its address read, and which of the variables counts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_core import outbound_proxy
from offramp_core.outbound_proxy import BadProxyError

GOOD = "socks5h://127.0.0.1:1080"
BAD = "quic://127.0.0.1:1080"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (GOOD, GOOD),
        ("SOCKS5://H.example", "socks5://h.example:1080"),
        ("socks://u:p@h/", "socks://h:1080"),
        ("socks4a://h:9", "socks4a://h:9"),
        (" h:8080\n", "http://h:8080"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ("http://me:a@b@h:1", "http://h:1"),
        ("http://bücher.example", "http://xn--bcher-kva.example:80"),
    ],
)
def test_address_of_a_proxy_is_read(address, shown):
    assert outbound_proxy.parse(address).shown == shown


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (BAD, "quic://"),
        ("socks6://h", "socks6://"),
        ("file:///etc", "file://"),
        ("://h", "supported"),
        ("http://", "host"),
        ("socks5://:1080", "host"),
        ("http://a b", "host"),
        ("http://h:x", "port"),
        ("http://h:0", "port"),
        ("http://pass/word@h:1", "percent-encoded"),
        ("pass?word@h", "percent-encoded"),
        ("socks5://pass#word@h", "percent-encoded"),
        ("http://h:65536", "port"),
        ("socks5h://[::1", "can't be read"),
    ],
)
def test_unusable_address_of_a_proxy_is_refused_with_its_reason(address, why):
    with pytest.raises(BadProxyError, match=why):
        outbound_proxy.parse(address)


def test_login_is_decoded_and_never_shown():
    proxy = outbound_proxy.parse("http://m%40e:p%3Aw@h")
    assert (proxy.user, proxy.password) == ("m@e", "p:w")
    assert proxy.login == "Basic bUBlOnA6dw=="
    assert proxy.shown == "http://h:80"
    assert outbound_proxy.parse("http://h").login is None


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text):
    with contextlib.suppress(BadProxyError):
        assert outbound_proxy.parse(text).port > 0


@pytest.mark.parametrize(
    ("settings", "proxy", "is_optional", "is_skipped"),
    [
        ({}, None, False, False),
        ({"http": GOOD}, None, False, False),
        ({"https": GOOD}, GOOD, False, False),
        ({"all": GOOD}, GOOD, True, False),
        ({"all": ""}, None, False, False),
        ({"all": BAD}, None, False, True),
        ({"https": "http://p", "all": BAD}, "http://p:80", False, False),
        ({"https": GOOD, "all": "http://p"}, GOOD, False, False),
    ],
)
def test_proxy_of_the_scheme_counts_before_that_of_all(settings, proxy, is_optional, is_skipped):
    way = outbound_proxy.find_way("https", settings)
    assert (way.proxy.shown if way.proxy else None) == proxy
    assert way.is_optional == is_optional
    assert (way.skipped is not None) == is_skipped


@pytest.mark.parametrize("others", [{}, {"all": GOOD}])
def test_unusable_proxy_of_the_scheme_is_an_error(others):
    with pytest.raises(BadProxyError):
        outbound_proxy.find_way("https", {"https": BAD, **others})
