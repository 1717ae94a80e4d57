"""Answers read from bytes: their heads, bodies and ends, and what is refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp_daemon.upstream.errors import BadAnswerError
from offramp_daemon.upstream.http_parser import HEAD_LIMIT_BYTES, MOST_FORGOTTEN, AnswerParser

OK = b"HTTP/1.1 200 OK\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
RECORDED = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 Fine so\r\nX-Odd:  caf\xe9 \r\nX-Empty:\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b'5;name="va;lue"\r\nhello\r\n1\r\n \r\n0006 \r\nworld!\r\n0;last\r\nX-Sum: 1\r\n\r\n'
)


def read(
    *pieces: bytes, method: str = "GET", is_closed: bool = False
) -> tuple[AnswerParser, bytes]:
    parser, body = AnswerParser(method), b""
    for piece in pieces:
        parser.feed(piece)
        body += parser.take()
    if is_closed:
        parser.end()
    return parser, body


def feed_all(parser: AnswerParser, pieces: list[bytes]) -> None:
    for piece in pieces:
        parser.feed(piece)


def head_of(parser: AnswerParser):
    assert parser.head is not None
    return parser.head


@given(st.sets(st.integers(1, len(RECORDED) - 1)))
def test_answer_is_the_same_wherever_its_bytes_are_cut(cuts):
    borders = [0, *sorted(cuts), len(RECORDED)]
    pieces = [RECORDED[a:b] for a, b in itertools.pairwise(borders)]
    parser, body = read(*pieces)
    assert body == b"hello world!"
    assert parser.is_complete
    assert parser.is_reusable
    assert not parser.is_overrun
    assert [(early.status, early.raw_headers) for early in parser.early] == [
        (103, ((b"Link", b"</a>"),))
    ]
    head = head_of(parser)
    assert (head.status, head.reason, head.version) == (200, b"Fine so", "1.1")
    assert head.raw_headers[:2] == ((b"X-Odd", b"caf\xe9"), (b"X-Empty", b""))
    assert len(head.raw_headers) == 4  # the trailer is no header


def test_answer_is_the_same_byte_by_byte():
    parser, body = read(*(RECORDED[n : n + 1] for n in range(len(RECORDED))))
    assert body == b"hello world!"
    assert parser.is_complete


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"A: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
        OK + b"A: b\r\n\tfolded\r\nContent-Length: 0\r\n\r\n",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        OK + b"Content-Length: 2, 3\r\n\r\nokk",
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\nx",
        OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: +2\r\n\r\nok",
        OK + b"Content-Length: 0x2\r\n\r\nok",
        OK + b"Content-Length: 2 2\r\n\r\nok",
        OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
        OK + b"Content-Length:\r\n\r\n",
        OK + b"Content-Length : 2\r\n\r\nok",
        OK + b": nameless\r\n\r\n",
        OK + b"A\x00: b\r\n\r\n",
        OK + b"A: b\x00c\r\n\r\n",
        OK + b"A: b\rc\r\n\r\n",
        OK + b"A: b\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        CHUNKED + b"ZZ\r\n",
        CHUNKED + b"-2\r\nok\r\n",
        CHUNKED + b"0x2\r\nok\r\n",
        CHUNKED + b"fffffffffffffffff\r\n",
        CHUNKED + b"2\r\nokay\r\n",
        CHUNKED + b"2\nok\n0\n\n",
        CHUNKED + b"\r\nok",
        CHUNKED + b"0\r\nX-Sum: a\r\n folded\r\n\r\n",
    ],
)
@pytest.mark.parametrize("is_split", [False, True])
def test_what_breaks_the_rules_is_refused(raw, is_split):
    pieces = [raw[n : n + 1] for n in range(len(raw))] if is_split else [raw]
    parser = AnswerParser("GET")
    with pytest.raises(BadAnswerError):
        feed_all(parser, pieces)
    if not raw.startswith(CHUNKED):
        assert parser.head is None  # so that nobody takes it for an answer


def test_body_before_the_broken_chunk_is_kept():
    parser = AnswerParser("GET")
    with pytest.raises(BadAnswerError):
        parser.feed(CHUNKED + b"2\r\nok\r\nZZ\r\n")
    assert parser.take() == b"ok"


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"X: " + b"x" * HEAD_LIMIT_BYTES,
        OK + b"X: y\r\n" * (HEAD_LIMIT_BYTES // 6),
        b"HTTP/1.1 200 " + b"O" * HEAD_LIMIT_BYTES,
        CHUNKED + b"2;" + b"x" * HEAD_LIMIT_BYTES,
        CHUNKED + b"0\r\nX: " + b"x" * HEAD_LIMIT_BYTES,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * (HEAD_LIMIT_BYTES // 6),
        CHUNKED + b"0" * (2 * HEAD_LIMIT_BYTES),
    ],
)
def test_line_without_end_is_refused(raw):
    with pytest.raises(BadAnswerError, match=r"longer|overflow"):
        read(*(raw[start : start + 1000] for start in range(0, len(raw), 1000)))


@pytest.mark.parametrize("status", [100, 102, 103, 104, 199])
def test_informational_answer_does_not_take_the_answers_place(status):
    early = b"HTTP/1.1 %d Wait\r\nA: b\r\n\r\n" % status
    parser, body = read(early * 3 + OK + b"Content-Length: 2\r\n\r\nok")
    assert (head_of(parser).status, body) == (200, b"ok")
    assert [each.status for each in parser.early] == [status] * 3
    assert parser.is_complete


def test_informational_answers_without_end_do_not_fill_the_memory():
    parser = AnswerParser("GET")
    for _ in range(MOST_FORGOTTEN):
        parser.feed(HINTS)
    parser.feed(OK + b"Content-Length: 0\r\n\r\n")
    assert head_of(parser).status == 200
    assert len(parser.early) < 100


@pytest.mark.parametrize("at_once", [1, 7, 100_000])
def test_informational_answers_without_end_do_not_hold_up_the_loop(at_once):
    parser = AnswerParser("GET")
    with pytest.raises(BadAnswerError, match="informational"):
        feed_all(parser, [HINTS * at_once] * (100_000 // at_once))
    assert parser.head is None


def test_informational_answers_that_were_taken_count_as_well():
    parser = AnswerParser("GET")
    for _ in range(MOST_FORGOTTEN):
        parser.feed(b"HTTP/1.1 102 Processing\r\n\r\n")
        parser.take_early()
    with pytest.raises(BadAnswerError, match="informational"):
        parser.feed(b"HTTP/1.1 102 Processing\r\n\r\n")


@pytest.mark.parametrize(
    ("raw", "method"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET"),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "GET"),
        (OK + b"Content-Length: 9\r\n\r\n", "HEAD"),
        (OK + b"\r\n", "HEAD"),
        (CHUNKED, "HEAD"),
        (OK + b"Content-Length: 0\r\n\r\n", "POST"),
        (OK + b"Content-Length: 000\r\n\r\n", "POST"),
    ],
)
def test_answer_without_a_body_is_complete_with_its_head(raw, method):
    parser, body = read(raw, method=method)
    assert parser.is_complete
    assert parser.is_reusable
    assert not body
    parser.feed(b"x")
    assert parser.is_overrun


@pytest.mark.parametrize("more", [b"x", OK, OK + b"Content-Length: 2\r\n\r\nno"])
@pytest.mark.parametrize(
    "raw", [OK + b"Content-Length: 2\r\n\r\nok", CHUNKED + b"2\r\nok\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("is_apart", [False, True])
def test_bytes_behind_the_end_are_no_part_of_the_answer(raw, more, is_apart):
    parser, body = read(raw, more) if is_apart else read(raw + more)
    assert body == b"ok"
    assert parser.is_complete
    assert parser.is_overrun
    assert len(head_of(parser).raw_headers) == 1


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: X-A, Close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: CLOSE\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_connection_is_kept_as_the_head_says(head, is_kept):
    parser, body = read(head + b"Content-Length: 2\r\n\r\nok")
    assert body == b"ok"
    assert parser.is_complete
    assert parser.is_reusable is is_kept


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_body_without_a_frame_ends_with_its_connection(version):
    raw = b"HTTP/%s 200 OK\r\n\r\nto the end" % version
    parser, body = read(raw)
    assert body == b"to the end"
    assert not parser.is_complete
    parser, _ = read(raw, is_closed=True)
    assert parser.is_complete
    assert not parser.is_reusable


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.1 2", OK, OK + b"Content-Length: 9\r\n\r\nok", CHUNKED + b"2\r\nok\r\n"],
)
def test_answer_that_the_connections_end_cuts_is_not_complete(raw):
    parser, _ = read(*([raw] if raw else []), is_closed=True)
    assert not parser.is_complete


@pytest.mark.parametrize(
    ("raw", "is_tunnel"),
    [
        (b"HTTP/1.0 200 Connection established\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", True),
        (b"HTTP/1.1 299 OK\r\nContent-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 407 Login\r\nContent-Length: 5\r\n\r\n", False),
    ],
)
def test_tunnel_begins_behind_the_head(raw, is_tunnel):
    parser, _ = read(raw, method="CONNECT")
    assert parser.is_complete
    assert parser.is_reusable is is_tunnel
    assert not parser.is_overrun


@given(
    st.integers(0, len(RECORDED)),
    st.integers(0, 8),
    st.one_of(st.binary(max_size=8), st.sampled_from([b"\r\n", b"\r\n\r\n", b"0", b" ", b"\n"])),
    st.sets(st.integers(1, len(RECORDED)), max_size=3),
    st.sampled_from(["GET", "HEAD", "CONNECT"]),
)
def test_whatever_comes_is_an_answer_or_refused(place, removed, put, cuts, method):
    raw = RECORDED[:place] + put + RECORDED[place + removed :]
    borders = [0, *sorted(cuts), len(raw)]
    parser = AnswerParser(method)
    whole = AnswerParser(method)
    results = []
    for each, pieces in (
        (parser, [raw[a:b] for a, b in itertools.pairwise(borders) if a < b]),
        (whole, [raw]),
    ):
        body, is_refused = b"", False
        for piece in pieces:
            try:
                each.feed(piece)
            except BadAnswerError:
                is_refused = True
            body += each.take()
            if is_refused:
                break
        results.append((body, is_refused, each.is_complete, each.head is None))
    assert results[0] == results[1]  # wherever it is cut
