"""Findings as text and as JSON, and how checks are run."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from golden import assert_screen
from patience import PATIENCE_S

from offramp_cli.doctor import report
from offramp_cli.doctor.check_list import chosen
from offramp_cli.doctor.finding import Finding, Severity, failure, note, ok, warning
from offramp_cli.doctor.runner import Check, run_all
from offramp_core.errors import OfframpError

if TYPE_CHECKING:
    from offramp_cli.doctor.finding import Remark

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.Zq8Wn3Xr5Tb7Vm2K"


def finding(name: str, group: str, *remarks: Remark) -> Finding:
    return Finding(name=name, group=group, remarks=remarks)


def text_of(*findings: Finding, width: int = 80) -> str:
    return "\n".join(text for _, text in report.lines(findings, width=width))


def check(name: str, *remarks: Remark) -> Check:
    return Check(name=name, group="G", run=lambda: remarks)


def test_whole_screen():
    long = "word " * 30
    findings = (
        finding("settings", "Offramp", ok("Fine."), warning("Not so fine.", f"Cure {long}")),
        finding("secrets", "Offramp", ok("/home/me/.config is for you alone.")),
        finding("port", "Daemon", failure(long, "End it.")),
        finding("claude-features", "Claude Code", note("Some versions leave something out.")),
    )
    lines = [text for _, text in report.lines(findings, width=80, home=Path("/home/me"))]
    assert max(map(len, lines)) <= 80
    assert_screen("\n".join(lines), "doctor")


def test_long_word_is_not_broken_and_terminal_is_left_alone():
    path = "/home/" + "a" * 90 + "/config.toml"
    assert path in text_of(finding("x", "G", ok(f"{path} is good.")))
    assert "\x1b" not in text_of(finding("x", "G", ok("evil \x1b[2Jname")))


def test_home_is_shown_short_where_a_shell_would_expand_it():
    remark = warning("/home/me/a is open, /home/me2/a is not.", "chmod 600 '/home/me/a b'")
    (line, cure) = [
        text
        for _, text in report.lines([finding("x", "G", remark)], width=80, home=Path("/home/me"))
    ][1:3]
    assert line.endswith("~/a is open, /home/me2/a is not.")
    assert cure.endswith("chmod 600 '/home/me/a b'")


def test_narrow_terminal_still_gets_text():
    assert "Fine and dandy." in text_of(finding("settings", "G", ok("Fine and dandy.")), width=10)


def test_finding_is_as_bad_as_its_worst_remark():
    mixed = finding("x", "G", ok("a"), failure("b", "c"), note("d"))
    assert mixed.severity is Severity.FAILURE
    document = report.document([mixed, finding("y", "G", warning("w", "v"))])
    assert document["ok"] is False
    assert document["counts"] == {"failure": 1, "warning": 1, "note": 0, "ok": 0}
    assert document["checks"][0]["remarks"][1] == {"outcome": "failure", "saw": "b", "cure": "c"}
    assert document["checks"][0]["remarks"][0]["cure"] is None
    assert report.document([finding("y", "G", warning("w", "v"))])["ok"] is True


def test_findings_come_in_the_order_of_the_checks():
    second_is_done = threading.Event()

    def first() -> list[Remark]:
        assert second_is_done.wait(PATIENCE_S)
        return [ok("late")]

    def second() -> list[Remark]:
        second_is_done.set()
        return [ok("early")]

    checks = [Check(name="a", group="G", run=first), Check(name="b", group="G", run=second)]
    assert [each.remarks[0].saw for each in run_all(checks)] == ["late", "early"]


def test_check_that_hangs_is_given_up_and_the_others_are_shown():
    release = threading.Event()

    def hang() -> list[Remark]:
        release.wait()
        return []

    hanging = Check(name="dns", group="G", run=hang, cure_for_silence="Check the network.")
    started_s = time.monotonic()
    found = run_all([hanging, check("b", ok("fine"))], limit_s=0.05)
    assert time.monotonic() - started_s < 15
    release.set()
    assert found[0].remarks[0] == failure("No answer within 0.05 s.", "Check the network.")
    assert found[1].severity is Severity.OK


def test_error_of_a_check_is_its_finding():
    def refuse() -> list[Remark]:
        raise OfframpError("No log.", hint="Make one.")

    def crash() -> list[Remark]:
        raise ValueError(f"x-api-key: {KEY}")

    found = run_all(
        [
            Check(name="log", group="G", run=refuse),
            Check(name="bug", group="G", run=crash),
        ]
    )
    assert found[0].remarks == (failure("No log.", "Make one."),)
    assert found[1].severity is Severity.FAILURE
    assert "ValueError" in found[1].remarks[0].saw
    assert KEY not in found[1].remarks[0].saw


def test_checks_are_chosen_by_name_and_by_family():
    checks = [check("key-zai"), check("key-other"), check("keyring"), check("port")]
    names = [each.name for each in chosen(checks, ["key", "port"])]
    assert names == ["key-zai", "key-other", "port"]
    assert chosen(checks, []) == checks
    with pytest.raises(KeyError, match="prot"):
        chosen(checks, ["port", "prot"])
