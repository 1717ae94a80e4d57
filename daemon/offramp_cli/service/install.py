"""`offramp install`: sets the login items up, repairs them and upgrades what runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from offramp_cli.service import install_plan, install_questions, service_status, steps
from offramp_cli.service.install_plan import InstallOptions
from offramp_cli.service.install_questions import InstallAnswers, WeekStart, WeekStartType
from offramp_core import __version__
from offramp_core.login_item import detect
from offramp_core.services import DELEGATE

if TYPE_CHECKING:
    from offramp_cli.service.service_status import LoginItemContext
    from offramp_core.config.loader import LoadedSettings

_AGAIN = (
    "The steps above were done, the others were not. When this is fixed, run offramp install "
    "again: it continues where this run stopped."
)


@click.command("install")
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Ask no questions.")
@click.option(
    "--key-stdin", is_flag=True, help=f"Read the {DELEGATE.title} key from standard input."
)
@click.option(
    "--check-key/--no-check-key",
    "is_checking",
    default=True,
    show_default=True,
    help=f"Ask {DELEGATE.title} whether it accepts the key.",
)
@click.option("--week", type=WeekStartType(), help="When your Claude week begins: 'thu 22'.")
@click.option(
    "--connect/--no-connect", "is_connecting", default=None, help="Point Claude Code at Offramp."
)
@click.option("--tray/--no-tray", default=None, help="Start the tray at login (the default).")
@click.option(
    "--linger", "is_lingering", is_flag=True, help="Linux: keep running while you are logged out."
)
@click.option(
    "--restart",
    "is_renewal",
    is_flag=True,
    help="Replace a running daemon, even one of the same version.",
)
def command(
    is_dry: bool,
    is_sure: bool,
    key_stdin: bool,
    is_checking: bool,
    week: WeekStart | None,
    is_connecting: bool | None,
    tray: bool | None,
    is_lingering: bool,
    is_renewal: bool,
) -> None:
    """Install, repair or upgrade Offramp, and start daemon and tray at login.

    The first time it asks for the Z.ai key, when your week begins, and whether to point Claude
    Code at Offramp. It is safe to run again: that repairs whatever was changed or deleted, and
    replaces a daemon of another version without cutting a stream.
    """
    manager = detect.detect(os.environ)
    context = service_status.find_context()
    loaded = context.settings()
    state = manager.state()
    install_plan.require_free_port(context, loaded.settings, state)
    answers = InstallAnswers(week=week, connect=is_connecting)
    check = install_questions.checker(loaded.settings, is_checking=is_checking and not is_dry)
    if key_stdin:
        answers = InstallAnswers(
            key=check(install_questions.key_from_stdin()), week=week, connect=is_connecting
        )
    if not (state.files or is_sure or is_dry):
        answers = _ask(answers, context, loaded, check)
    options = InstallOptions(
        answers=answers,
        tray=tray,
        is_sure=is_sure,
        is_lingering=is_lingering,
        is_renewal=is_renewal,
    )
    work = install_plan.plan(context, manager, loaded.settings, options)
    if is_dry:
        steps.describe(work.steps())
    else:
        steps.apply(work.steps(), again=_AGAIN)


def _ask(
    given: InstallAnswers,
    context: LoginItemContext,
    loaded: LoadedSettings,
    check: install_questions.KeyCheck,
) -> InstallAnswers:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "There is no terminal to ask questions. Use --yes to skip them, or answer with "
            "--key-stdin, --week and --connect."
        )
    click.echo(f"Offramp {__version__}: the daemon will start at login.")
    return install_questions.ask(
        given,
        loaded.settings,
        check,
        has_key=install_plan.has_key(context, loaded.settings),
        can_connect=install_plan.can_connect(context, loaded.settings),
    )
