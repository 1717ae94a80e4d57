"""`offramp doctor`: looks at each link of the chain and names the cure."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli import exit_codes, own_name
from offramp_cli.doctor import (
    check_list,
    context,
    report,
    report_file,
    report_secrets,
    runner,
)
from offramp_cli.doctor.checks import check_environment
from offramp_cli.doctor.finding import Severity
from offramp_cli.reports.log_filters import tolerate_encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offramp_cli.doctor.context import DoctorContext
    from offramp_cli.doctor.finding import Finding

_WIDEST = 100
_AT_HOME = ""
"""Stands for the report's usual place."""
_COLOURS = {
    Severity.OK: "green",
    Severity.NOTE: "cyan",
    Severity.WARNING: "yellow",
    Severity.FAILURE: "red",
}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="NAME",
    help="Run only this check (the name is in the second column). Repeat it for several.",
)
@click.option(
    "--report",
    "report_path",
    is_flag=False,
    flag_value=_AT_HOME,
    metavar="[FILE]",
    help="Also write a file that you can attach to a bug report: versions, findings, settings, "
    f"and the end of the logs, without keys and logins. [default: {report_file.NAME} in your "
    "home folder]",
)
def command(names: tuple[str, ...], as_json: bool, report_path: str | None) -> None:
    """Check every part of the set-up and suggest fixes.

    Nothing is changed, and no credential is sent except a service's key to that service. Takes
    less than ten seconds. Ends with 0 if no check failed, even with warnings, and with 1
    otherwise.
    """
    here = context.find(dict(os.environ))
    environments = check_environment.look(here)
    every = check_list.checks(here)
    try:
        chosen = check_list.chosen(every, names)
    except KeyError as error:
        known = ", ".join(check.name for check in every)
        raise click.BadParameter(
            f"there is no check called {error.args[0]!r}. The checks are: {known}.",
            param_hint="--only",
        ) from error
    # What is asked from here on goes out as the daemon does.
    check_environment.adopt(environments, os.environ)
    findings = runner.run_all(chosen)
    if as_json:
        click.echo(json.dumps(report.document(findings), indent=2))
    else:
        _print(findings, here.home)
    if report_path is not None:
        _write_report(here, findings, report_path, is_aside=as_json)
    has_failed = any(finding.severity is Severity.FAILURE for finding in findings)
    sys.exit(exit_codes.FAILURE if has_failed else 0)


def _write_report(
    here: DoctorContext, findings: Sequence[Finding], path: str, *, is_aside: bool
) -> None:
    text = report_file.report_for(here, findings, report_secrets.redactor_for(here))
    wanted = None if path == _AT_HOME else Path(path).expanduser()
    file = report_file.create(text, wanted, datetime.now(UTC))
    click.echo(
        f"\nThe report is in {file}, which only you can read. Keys and logins are masked. Look "
        "through it, then attach it to your bug report.",
        err=is_aside,
    )


def _print(findings: Sequence[Finding], home: Path) -> None:
    tolerate_encoding()
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    is_plain = "NO_COLOR" in os.environ
    shown = [_as_typed_here(finding) for finding in findings]
    for severity, text in report.lines(shown, width=width, home=home):
        if severity is None or is_plain:
            click.echo(text)
        else:
            word = severity.value
            click.echo(text.replace(word, click.style(word, fg=_COLOURS[severity]), 1))


def _as_typed_here(finding: Finding) -> Finding:
    """`finding` with its commands as they can be typed; the lines are cut only after that."""
    remarks = tuple(
        dataclasses.replace(
            remark, saw=own_name.in_hints(remark.saw), cure=own_name.in_hints(remark.cure)
        )
        for remark in finding.remarks
    )
    return dataclasses.replace(finding, remarks=remarks)
