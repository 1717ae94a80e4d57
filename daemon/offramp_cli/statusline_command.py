"""`offramp statusline` where its fast way is not taken: for its help, and for other options."""

from __future__ import annotations

import click

from offramp_cli import statusline


@click.command("statusline")
@click.option("--demo", "is_demo", is_flag=True, help="Ask the demo's daemon instead of your own.")
def command(is_demo: bool) -> None:
    """Print the line that Claude Code shows below its prompt.

    It says who served this session last, how your week splits, and how much of your Claude
    plan is used. `offramp connect --statusline` sets it up. Claude Code gives it a JSON object
    on standard input; without one, the line says nothing of a session. It always ends with exit
    code 0.
    """
    statusline.show(is_demo=is_demo)
