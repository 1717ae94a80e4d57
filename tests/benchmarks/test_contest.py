"""A case counts only for a proxy that passed the right bytes on, and kept the right records."""

from __future__ import annotations

import pytest

import gauges
import traffic
from case import Case, Figure, Sending, send_all
from cases import all_cases, chosen
from contest import Contest
from proxies import Daemon

RIGHT = {
    "backend": "anthropic",
    "status": "success",
    "http_status": 200,
    "input_tokens": 412,
    "output_tokens": 143,
    "cache_creation_input_tokens": 1250,
    "cache_read_input_tokens": 20480,
}
SENT = 5
"""One request to prove the job, two to warm up, two to measure."""


class Direct(Daemon):
    """No proxy at all: the client speaks to the upstream, and the records are made up."""

    written: tuple[dict[str, object], ...] = (RIGHT,) * SENT

    async def start(self) -> None:
        self.port = int(self._upstream.rpartition(":")[2])

    def stop(self) -> None:
        pass

    def cpu_s(self) -> float:
        return 0.0

    def end_report(self) -> str:
        return ""

    def records(self) -> list[dict[str, object]]:
        return list(self.written)


class OtherTokens(Direct):
    written = (*Direct.written[1:], RIGHT | {"output_tokens": 1})


class AnotherService(Direct):
    written = (*Direct.written[1:], RIGHT | {"backend": "zai"})


class OneRecordMissing(Direct):
    written = Direct.written[1:]


class OneRecordTooMany(Direct):
    written = (*Direct.written, RIGHT)


class Few(Case):
    name = "few"
    rounds = quick_rounds = 1
    figures = (Figure(key="cpu", label="", unit="s"),)

    def __init__(self, sending: Sending) -> None:
        super().__init__()
        self.sendings = (sending,)

    async def measure(self, proxy, upstream, share):
        await send_all(proxy, self.sendings[0], 2, connections=1)
        return {"cpu": 1.0}


SMALL = Sending(body=traffic.small_request(is_streaming=False), script="json")
FOREIGN = traffic.large_request(10_000, model=traffic.OPUS, is_foreign=True)


@pytest.fixture
def measure(monkeypatch):
    # The tests' own process shall keep all its cores.
    monkeypatch.setattr(gauges, "pin_to_one_core_each", lambda: None)

    async def run(proxy: type[Daemon], sending: Sending = SMALL) -> tuple[float | None, Contest]:
        contest = Contest([proxy], is_quick=True)
        (line,) = await contest.run([Few(sending)])
        return line.values["daemon"], contest

    return run


async def test_proxy_that_does_its_job_has_a_figure(measure):
    value, contest = await measure(Direct)
    assert value == 1.0
    assert not contest.has_failed


@pytest.mark.parametrize("proxy", [OtherTokens, AnotherService, OneRecordMissing, OneRecordTooMany])
async def test_daemon_with_wrong_records_has_no_figure(measure, proxy):
    value, contest = await measure(proxy)
    assert value is None
    assert contest.has_failed
    assert any("DOES NOT COUNT" in note for note in contest.notes)


@pytest.mark.parametrize("kind", ["cut", "delegated"])
async def test_daemon_that_leaves_a_body_as_it_came_has_no_figure(measure, kind):
    value, contest = await measure(Direct, Sending(body=FOREIGN, script="json", kind=kind))
    assert value is None
    assert contest.has_failed


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["slow20"], ["slow20"]),
        (["small"], ["small1", "small32"]),
        (["tls-small1", "fresh"], ["fresh", "tls-small1"]),
    ],
)
def test_word_chooses_its_case_or_all_that_begin_with_it(words, names):
    assert [case.name for case in chosen(all_cases(), words)] == names


def test_word_that_chooses_no_case_is_refused():
    with pytest.raises(ValueError, match="nothing"):
        chosen(all_cases(), ["nothing"])
