"""The page that a browser gets at Offramp's address, and who else does not get it."""

from __future__ import annotations

import contextlib
from html.parser import HTMLParser

import pytest
from control_harness import Commands
from proxy_harness import settings_for
from raw_client import SONNET, post, read_to_end
from raw_upstream import MESSAGE, Connection, json_answer, raw_upstream
from running_app import running_app

BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NAVIGATION = b"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"


async def answer_all(connection: Connection) -> None:
    await connection.write(json_answer(MESSAGE))


@contextlib.asynccontextmanager
async def running(home, **fields):
    async with (
        raw_upstream(answer_all) as anthropic,
        raw_upstream(answer_all) as zai,
        running_app(home, settings_for(anthropic.url, zai.url, **fields)) as app,
    ):
        await Commands(app.paths).until_there()
        yield app, anthropic


async def get(
    url: str,
    path: bytes = b"/",
    accept: bytes | None = BROWSER,
    more: bytes = b"",
    method: bytes = b"GET",
) -> tuple[bytes, bytes]:
    """Head and body of the answer."""
    head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % (method, path)
    if accept is not None:
        head += b"Accept: %s\r\n" % accept
    answer = await read_to_end(url, head + more + b"\r\n")
    before, _, body = answer.partition(b"\r\n\r\n")
    return before, body


class Links(HTMLParser):
    """What the page would load, and whether it has scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


@pytest.mark.parametrize("path", [b"/", b"/ui", b"/ui/", b"/?from=bookmark"])
@pytest.mark.parametrize("more", [b"", NAVIGATION])
async def test_browser_gets_a_page_that_loads_nothing(tmp_path, path, more):
    async with running(tmp_path) as (app, anthropic):
        head, body = await get(app.url, path, more=more)
        assert not anthropic.bodies
    assert head.startswith(b"HTTP/1.1 200")
    assert b"text/html; charset=utf-8" in head
    assert b"default-src 'none'" in head
    text = body.decode()
    links = Links()
    links.feed(text)
    assert links.loaded == ["data:,"]
    assert not links.tags & {"script", "img", "iframe", "form", "object"}
    assert "Offramp is running" in text
    assert "Delegation: on." in text
    assert "offramp charts" in text


async def test_page_says_the_pause_and_the_weeks_split(tmp_path):
    async with running(tmp_path) as (app, _):
        await read_to_end(app.url, post(b"/v1/messages", SONNET))
        commands = Commands(app.paths)
        await commands.until(lambda status: status.records.written == 1)
        await commands.pause()
        _, body = await get(app.url)
    assert "Delegation: paused until you resume it." in body.decode()
    assert "This week: Z.ai 100% of tokens." in body.decode()


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [
        (b"HEAD", b"/", BROWSER),  # Claude Code's own probe
        (b"HEAD", b"/", None),
        (b"GET", b"/", None),
        (b"GET", b"/", b"*/*"),
        (b"GET", b"/", b"application/json"),
        (b"POST", b"/ui", BROWSER),
        (b"GET", b"/v1/models", BROWSER),
        (b"GET", b"/ui/settings", BROWSER),
        (b"GET", b"/", b"application/json, text/htmlish"),
    ],
)
async def test_clients_of_the_api_get_what_anthropic_says(tmp_path, method, path, accept):
    async with running(tmp_path) as (app, anthropic):
        head, body = await get(app.url, path, accept, method=method)
        assert len(anthropic.bodies) == 1
    assert b"Offramp is running" not in body
    assert b"text/html" not in head


@pytest.mark.parametrize(
    "more",
    [
        b"Origin: https://evil.example\r\n",
        b"Referer: https://evil.example/x\r\n",
        b"Sec-Fetch-Site: cross-site\r\n",
    ],
)
async def test_other_sites_pages_are_refused_it(tmp_path, more):
    async with running(tmp_path) as (app, anthropic):
        head, body = await get(app.url, more=more)
        assert not anthropic.bodies
    assert b" 403 " in head.partition(b"\r\n")[0]
    assert b"Offramp is running" not in body


@pytest.mark.parametrize("host", [b"host.docker.internal", b"evil.internal", b"172.17.0.1"])
async def test_name_that_only_containers_use_gets_no_page(tmp_path, host):
    async with running(tmp_path) as (app, anthropic):
        request = (
            b"GET / HTTP/1.1\r\nHost: %s:3001\r\nAccept: text/html\r\n"
            b"Sec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n" % host
        )
        answer = await read_to_end(app.url, request)
        assert len(anthropic.bodies) == 1
    assert b"Offramp is running" not in answer


async def test_name_that_was_made_to_lead_here_is_refused_it(tmp_path):
    async with running(tmp_path) as (app, anthropic):
        request = (
            b"GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\n"
            b"Connection: close\r\n\r\n"
        )
        answer = await read_to_end(app.url, request)
        assert not anthropic.bodies
    assert answer.startswith(b"HTTP/1.1 403")
