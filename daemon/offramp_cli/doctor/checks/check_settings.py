"""Whether the settings can be used, and what they have to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offramp_cli.doctor.finding import failure, note, ok

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from offramp_cli.doctor.finding import Remark
    from offramp_core.config.loader import ConfigError

_OF_KEYS = ("There is no key for ", "The key for ")
"""How notes begin that the checks of keys have, and more on them."""


def judge(
    problem: ConfigError | None, notes: Sequence[str], config_file: Path, *, is_there: bool
) -> Iterator[Remark]:
    """The refusal, or that all is well, and each note."""
    if problem is not None:
        yield failure(problem.title, problem.hint)
        return
    if is_there:
        yield ok(f"{config_file} is valid.")
    else:
        yield ok(f"No {config_file} yet: the defaults apply.")
    for text in notes:
        if not text.startswith(_OF_KEYS):
            yield note(text)
