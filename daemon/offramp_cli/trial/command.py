"""`offramp try`: one request for each service through the daemon, and who answered."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from offramp_cli import exit_codes, own_name
from offramp_cli.trial import claude_trial, delegate_trial
from offramp_core.config import loader
from offramp_core.paths import Paths
from offramp_core.wording.formatting import backend_name

if TYPE_CHECKING:
    from offramp_cli.trial.result import TrialResult


@click.command("try")
@click.option(
    "--claude",
    "is_with_claude",
    is_flag=True,
    help="Also run `claude -p` once, which uses a little of your Claude plan.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(is_with_claude: bool, is_json: bool) -> None:
    """Send one free request through the daemon, and show who answered.

    The request asks the service that Sonnet goes to, or else Haiku, to count the tokens of one
    word. With --claude, the installed Claude
    Code also runs once, with your own login.
    """
    # A program that was started here must not outlive a window that is closed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(exit_codes.FAILURE))
    environ, paths = dict(os.environ), Paths.for_user(os.environ)
    settings = loader.load(paths, environ).settings
    results = [delegate_trial.run(paths, settings)]
    if is_with_claude:
        log_dir = settings.log_dir or paths.log_dir
        results.append(claude_trial.run(environ, Path.home(), log_dir, machine=settings.machine))
    if is_json:
        click.echo(json.dumps({"trials": [asdict(result) for result in results]}, indent=2))
    else:
        for result in results:
            _print(result)
    if any(result.outcome == "failed" for result in results):
        sys.exit(exit_codes.FAILURE)


def _print(result: TrialResult) -> None:
    name = backend_name(result.of)
    click.echo(f"{name:<8}{result.outcome:<9}{result.text}")
    if result.hint:
        click.echo(f"{'':<17}{own_name.in_hints(result.hint)}")
