"""Asking the release page, against pages that answer well, oddly, or not at all."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_process import free_port
from http_proxy import http_proxy
from packaging.version import Version
from raw_upstream import Connection, RawUpstream, json_answer, raw_upstream
from tls import has_openssl, make_certificates

from offramp_cli.version import newest_release
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from pathlib import Path

    from offramp_cli.version.newest_release import Release

TAG_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage"
SENT_HEADERS = {"host", "accept", "accept-encoding", "user-agent"}


def release(tag: object, **fields: object) -> bytes:
    return json_answer(json.dumps({"tag_name": tag, **fields}).encode())


def redirect(location: str, status: str = "302 Found") -> bytes:
    words = f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return words.encode()


async def find(address: str, *, limit_s: float = 10.0) -> Release:
    return await asyncio.to_thread(newest_release.find, address, limit_s=limit_s)


async def found_with(*answers: bytes, path: str = "/releases/latest") -> Release:
    """What is found where the page gives these answers, one for each request."""
    given = iter(answers)

    async def give(connection: Connection) -> None:
        await connection.write(next(given))

    async with raw_upstream(give) as page:
        return await find(page.url + path)


async def failure_with(*answers: bytes, path: str = "/releases/latest") -> str:
    with pytest.raises(OfframpError) as caught:
        await found_with(*answers, path=path)
    assert caught.value.title.startswith("The newest version could not be found out. ")
    assert caught.value.title.isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("0.3.0", "0.3.0"),
        ("v0.3.0", "0.3.0"),
        ("V1.0", "1.0"),
        (" v0.3.0\n", "0.3.0"),
        ("offramp-0.3.0", "0.3.0"),
        ("offramp/v0.3.0", "0.3.0"),
        ("Release_2.0.1", "2.0.1"),
        ("version 2.0", "2.0"),
        ("v.1.2", "1.2"),
        ("v0.3.0-rc.1", "0.3.0rc1"),
        ("v0.3.0+build.7", "0.3.0+build.7"),
    ],
)
async def test_tag_is_read_however_it_spells_the_version(tag: str, version: str) -> None:
    assert (await found_with(release(tag))).version == Version(version)


@pytest.mark.parametrize(
    "tag",
    [
        "nightly",
        "nightly-20261130",
        "latest",
        "",
        "v",
        "0.3.0 or so",
        "tray-9.9.9",
        "1" * 5000,
        "v1.\x1b[31m",
        "²",
    ],
)
async def test_tag_that_is_no_version_is_named_and_not_guessed(tag: str) -> None:
    text = await failure_with(release(tag))
    assert "which is not a version" in text
    assert len(text) < 300


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/o/offramp/releases/tag/v0.3.0", "0.3.0"),
        ("/o/offramp/releases/tag/offramp%2Fv0.3.0", "0.3.0"),
        ("/o/offramp/-/releases/v0.3.0", "0.3.0"),
        ("/o/offramp/-/tags/v0.3.0/?from=latest#notes", "0.3.0"),
        ("tag/0.3.0", "0.3.0"),
    ],
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Now", "308 Ever"])
async def test_redirect_to_the_page_of_a_tag_names_the_version(
    path: str, version: str, status: str
) -> None:
    found = await found_with(redirect(path, status), TAG_PAGE)
    assert found.version == Version(version)
    assert found.page.startswith("http://127.0.0.1:")


async def test_redirects_before_an_answer_are_followed() -> None:
    found = await found_with(redirect("/one"), redirect("/two?a=b c"), release("v0.3.0"))
    assert found.version == Version("0.3.0")


async def test_redirects_without_end_are_given_up() -> None:
    assert "more than 5 times" in await failure_with(*[redirect("/again")] * 9)


@pytest.mark.parametrize(
    "location",
    [
        "ftp://127.0.0.1/releases",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://user:secret@127.0.0.1/",
        "https://",
        "http://[",
        "http://host:99999/",
        "",
    ],
)
async def test_redirect_to_what_is_no_page_is_refused(location: str) -> None:
    text = await failure_with(redirect(location))
    assert "can't be used" in text
    assert "secret" not in text


@pytest.mark.parametrize("location", [b"/\xff\xfe", b"http://\xe9.example/", b"//\x80/"])
async def test_redirect_that_is_no_text_is_refused(location: bytes) -> None:
    answer = redirect("@").replace(b"@", location)
    assert "can't be used" in await failure_with(answer)


@pytest.mark.parametrize(
    "page", ["https://me:secret@x.example/", "https://", "https://x/\ud800", 7]
)
async def test_page_that_can_not_be_shown_gives_way_to_the_address(page: object) -> None:
    found = await found_with(release("v0.3.0", html_url=page))
    assert found.page.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"tag_name": "v0.3',
        b"\xff\xfe",
        b"[" * 100_000,
        b"plain words",
        b'{"tag_name": "v0.3.0"}{',
    ],
)
async def test_answer_that_is_not_json_is_reported(body: bytes) -> None:
    assert "can't be read as JSON" in await failure_with(json_answer(body))


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b"{}", b'{"tag_name": 7}', b'"v0.3.0"'])
async def test_answer_without_a_release_is_reported(body: bytes) -> None:
    assert "names no release" in await failure_with(json_answer(body))


async def test_web_page_without_a_tag_is_reported() -> None:
    assert "names no release" in await failure_with(redirect("/o/offramp/releases"), TAG_PAGE)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_missing_release_is_reported(status: str) -> None:
    assert "There is no release at" in await failure_with(json_answer(b"{}", status=status))


@pytest.mark.parametrize("status", ["204 None", "401 No", "403 No", "429 Later", "500 Broken"])
async def test_other_status_is_reported(status: str) -> None:
    assert f"HTTP {status[:3]}" in await failure_with(json_answer(b"", status=status))


async def test_huge_answer_is_not_read_to_its_end() -> None:
    async def give(connection: Connection) -> None:
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n")
        while True:
            await connection.write(b" " * 65536)

    async with raw_upstream(give) as page:
        with pytest.raises(OfframpError, match="larger than 1 MiB"):
            await find(page.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200",
        b"",
        b"no HTTP at all\r\n\r\n",
    ],
)
async def test_answer_that_breaks_off_is_reported(answer: bytes) -> None:
    async def give(connection: Connection) -> None:
        await connection.write(answer)
        connection.writer.close()

    async with raw_upstream(give) as page:
        with pytest.raises(OfframpError, match="could not be found out"):
            await find(page.url)


async def test_page_that_says_nothing_is_given_up_at_the_limit() -> None:
    async def give(connection: Connection) -> None:
        await connection.reader.read()

    async with raw_upstream(give) as page:
        with pytest.raises(OfframpError, match=r"did not answer within 0\.3 s"):
            await find(page.url, limit_s=0.3)


async def test_page_that_cannot_be_reached_is_reported() -> None:
    with pytest.raises(OfframpError, match="can't be reached"):
        await find(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize(
    "address",
    ["not an address", "ftp://127.0.0.1/", "http://me:secret@127.0.0.1/", "https://", "http://["],
)
async def test_address_that_is_no_page_is_refused(address: str) -> None:
    with pytest.raises(OfframpError, match="can't be used") as caught:
        await find(address)
    assert "secret" not in str(caught.value)


def check_that_nothing_private_was_sent(page: RawUpstream) -> None:
    for head in page.heads:
        first, *lines = head.decode().strip().split("\r\n")
        assert first.startswith("GET /")
        assert {line.partition(":")[0].lower() for line in lines} == SENT_HEADERS
    assert set(page.bodies) == {b""}


async def test_request_holds_no_credential_and_no_body(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZAI_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "sk-secret-0123456789abcdef")
    given = iter([redirect("/there"), release("v0.3.0")])

    async def give(connection: Connection) -> None:
        await connection.write(next(given))

    async with raw_upstream(give) as page:
        await find(page.url + "/releases/latest?per_page=1")
    assert [head.split()[1] for head in page.heads] == [b"/releases/latest?per_page=1", b"/there"]
    check_that_nothing_private_was_sent(page)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


async def give_release(connection: Connection) -> None:
    await connection.write(release("v0.3.0"))


async def test_proxy_is_used(no_proxies: pytest.MonkeyPatch) -> None:
    async with raw_upstream(give_release) as page:
        host, _, port = page.url.removeprefix("http://").partition(":")
        async with http_proxy((host, int(port))) as proxy:
            no_proxies.setenv("http_proxy", proxy.url_with("me:secret"))
            found = await find("http://releases.example/latest")
    assert found.version == Version("0.3.0")
    assert proxy.heads[0].startswith(b"GET http://releases.example/latest HTTP/1.1\r\n")


@pytest.mark.skipif(not has_openssl(), reason="openssl makes the certificates")
@pytest.mark.skipif(sys.platform == "darwin", reason="its keychain knows no SSL_CERT_FILE")
async def test_certificate_counts_and_no_redirect_leads_out_of_tls(
    tmp_path: Path, no_proxies: pytest.MonkeyPatch
) -> None:
    certificates = make_certificates(tmp_path, "IP:127.0.0.1")
    given = iter([release("v0.3.0"), redirect("http://127.0.0.1:1/")])

    async def give(connection: Connection) -> None:
        await connection.write(next(given))

    async with raw_upstream(give, tls=certificates.server_context()) as page:
        with pytest.raises(OfframpError, match="not trusted"):
            await find(page.url)
        no_proxies.setenv("SSL_CERT_FILE", str(certificates.authority))
        assert (await find(page.url)).version == Version("0.3.0")
        with pytest.raises(OfframpError, match="can't be used: http://127"):
            await find(page.url)
