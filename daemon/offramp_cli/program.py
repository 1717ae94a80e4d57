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

GROUPS = {
    "Every day": {
        "status": (
            "offramp_cli.reports.status",
            "Show whether the daemon runs, what is delegated, and the quota.",
        ),
        "stats": ("offramp_cli.reports.stats", "Show how requests and tokens split."),
        "charts": ("offramp_dashboard.command", "Open the charts window."),
        "logs": ("offramp_cli.reports.logs", "Show the latest requests, or follow new ones."),
        "sessions": (
            "offramp_cli.reports.sessions",
            "Show what each conversation used, and in which project.",
        ),
        "statusline": (
            "offramp_cli.statusline_command",
            "Print the status line for Claude Code.",
        ),
        "pause": ("offramp_cli.delegation.pause", "Send everything to Claude for a while."),
        "resume": ("offramp_cli.delegation.resume", "Delegate again after a pause."),
        "doctor": ("offramp_cli.doctor.command", "Check everything and suggest fixes."),
        "simulate": (
            "offramp_cli.whatif.command",
            "Replay your own weeks in each mode of delegation.",
        ),
    },
    "Set up": {
        "demo": (
            "offramp_cli.demo.command",
            "Try Offramp with simulated services: no key, no network.",
        ),
        "install": (
            "offramp_cli.service.install",
            "Install, repair or upgrade Offramp, started at login.",
        ),
        "setup": ("offramp_dashboard.setup_command", "Set Offramp up in a window."),
        "key": ("offramp_cli.config.key", "Store, show or delete a service's key."),
        "connect": ("offramp_cli.claude_code.connect", "Point Claude Code at Offramp."),
        "disconnect": (
            "offramp_cli.claude_code.disconnect",
            "Restore Claude Code's settings.",
        ),
        "backend": (
            "offramp_cli.backend.command",
            "List the services that Offramp can delegate to; add or remove one.",
        ),
        "try": ("offramp_cli.trial.command", "Send one free request, and show who answered."),
        "config": ("offramp_cli.config.config", "Show, locate or check the settings."),
        "uninstall": ("offramp_cli.service.uninstall", "Remove what install set up."),
    },
    "The daemon and the tray": {
        "start": ("offramp_cli.service.start", "Start the installed daemon."),
        "stop": ("offramp_cli.service.stop", "Stop the installed daemon and close its port."),
        "restart": (
            "offramp_cli.service.restart",
            "Start a new daemon process in place of the old one.",
        ),
        "reload": ("offramp_cli.config.reload", "Make the daemon read its settings now."),
        "serve": ("offramp_cli.serve", "Run the daemon in the foreground."),
        "tray": ("offramp_tray.command", "Show the icon in the panel, with its menu."),
        "version": ("offramp_cli.version.command", "Show the versions of Offramp and its parts."),
    },
}
"""The commands by what they are for, the common case first."""
_COMMANDS = {name: each for group in GROUPS.values() for name, each in group.items()}


class _LazyGroup(click.Group):
    """A group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, sorted."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None for a name that there isn't."""
        del ctx
        if cmd_name == "help":
            return _help
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
            words = "Put a command's options after its name: offramp stats --demo"
            raise click.UsageError(f"{error.format_message()} {words}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in group.items()])


@click.command("help")
@click.argument("words", metavar="[COMMAND]", nargs=-1)
def _help(words: tuple[str, ...]) -> None:
    """Explain a command, as `--help` behind it does."""
    command_line([*words, "--help"], prog_name="offramp")


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="offramp")
def command_line() -> None:
    """Keep Opus on your Claude plan; send Sonnet and Haiku to Z.ai's GLM models.

    To install Offramp and connect Claude Code, run `offramp install`. To try it first, without a
    key, run `offramp demo`. `offramp COMMAND --help` explains a command.
    """


def run(words: list[str]) -> None:
    """Run the command line with these arguments; it ends the process."""
    try:
        command_line(words or ["--help"], prog_name="offramp")
    except OfframpError as error:
        click.echo(f"offramp: {own_name.in_hints(error.title)}", err=True)
        if error.hint:
            click.echo(f"  {own_name.in_hints(error.hint)}", err=True)
        sys.exit(exit_codes.for_error(error))
