"""All commands of `offramp` but the status line's fast way: what they are called, and which runs.

Commands are imported when they are called, so that `--version`, `--help` and completion stay fast.
"""

from __future__ import annotations

import importlib
import sys

import click

from offramp_cli import exit_codes, own_name
from offramp_core import __version__
from offramp_core.errors import OfframpError

_COMMANDS = {
    "backend": (
        "offramp_cli.backend.command",
        "List the services that can be delegated to; add or remove one.",
    ),
    "charts": ("offramp_dashboard.command", "Open the charts window."),
    "config": ("offramp_cli.config.config", "Show, locate or check the settings."),
    "connect": ("offramp_cli.claude_code.connect", "Point Claude Code at Offramp."),
    "demo": (
        "offramp_cli.demo.command",
        "Run the whole path against a built-in stand-in: no key, no network.",
    ),
    "disconnect": ("offramp_cli.claude_code.disconnect", "Let Claude Code go, as it was before."),
    "doctor": (
        "offramp_cli.doctor.command",
        "Look at each link of the chain, and name the cure.",
    ),
    "install": (
        "offramp_cli.service.install",
        "Have the daemon run from login on; repair, upgrade.",
    ),
    "key": ("offramp_cli.config.key", "Store, show or delete the key of a backend."),
    "logs": ("offramp_cli.reports.logs", "Show the latest requests, or follow them as they come."),
    "pause": (
        "offramp_cli.delegation.pause",
        "Send everything to Anthropic, for a time or for good.",
    ),
    "reload": ("offramp_cli.config.reload", "Have the running daemon read its settings now."),
    "restart": ("offramp_cli.service.restart", "Have a new process take the daemon over."),
    "resume": ("offramp_cli.delegation.resume", "Let delegation go on after a pause."),
    "serve": ("offramp_cli.serve", "Run the daemon in the foreground."),
    "sessions": (
        "offramp_cli.reports.sessions",
        "Show what each conversation used, and in which project.",
    ),
    "setup": ("offramp_dashboard.setup_command", "Set Offramp up in a window."),
    "simulate": (
        "offramp_cli.whatif.command",
        "Show what each way of delegating would make of your Claude week.",
    ),
    "start": ("offramp_cli.service.start", "Start the installed daemon."),
    "stats": ("offramp_cli.reports.stats", "Show how requests and tokens split, from the log."),
    "status": ("offramp_cli.reports.status", "Show whether the daemon runs, and how it is doing."),
    "statusline": (
        "offramp_cli.statusline_command",
        "Print the line that Claude Code shows below its prompt.",
    ),
    "stop": ("offramp_cli.service.stop", "Stop the installed daemon and close its port."),
    "tray": ("offramp_tray.command", "Show the week's split as an icon, with a menu to pause."),
    "try": ("offramp_cli.trial.command", "Send one request through the daemon; say who answered."),
    "uninstall": ("offramp_cli.service.uninstall", "Take away what install set up."),
    "version": ("offramp_cli.version", "Show the versions of Offramp and its parts."),
}


class _LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in order."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None for a name that there isn't."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and for one that there isn't name the one that was meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from offramp_core.config.values import did_you_mean

            words = f"{error.message} {did_you_mean(args[0], _COMMANDS)}".strip()
            raise click.UsageError(words, ctx) from error

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command; there are few."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            words = "Options of a command stand behind its name: offramp stats --demo"
            raise click.UsageError(f"{error.format_message()} {words}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="offramp")
def _offramp() -> None:
    """Keep Opus on your Claude plan; send Sonnet and Haiku to Z.ai's GLM models.

    Start with `offramp demo`, which needs no key. For real use, type `offramp install`: it asks
    for all it needs. In a terminal only: store your Z.ai key (`offramp key set`), run `offramp
    serve` and, once, `offramp connect`, which points Claude Code at it.
    """


def run(words: list[str]) -> None:
    """Run the command line with these arguments; it ends the process."""
    try:
        _offramp(words or ["--help"], prog_name="offramp")
    except OfframpError as error:
        click.echo(f"offramp: {own_name.in_hints(error.title)}", err=True)
        if error.hint:
            click.echo(f"  {own_name.in_hints(error.hint)}", err=True)
        sys.exit(exit_codes.for_error(error))
