"""What lines of `.env` mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from offramp_core.config.dotenv import Variable, read

if TYPE_CHECKING:
    from pathlib import Path


def values(path: Path, text: str) -> dict[str, str]:
    path.write_text(text, encoding="utf-8", newline="")
    return {name: variable.value for name, variable in read(path).items()}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  A = b  ", "b"),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ("A=", ""),
        ("A=''", ""),
        ('A=""', ""),
        ("A= # comment", ""),
        ("A=#comment", ""),
        ("A=b # comment", "b"),
        ("A=b\t# comment", "b"),
        ("A=b#c", "b#c"),
        ("A=b=c", "b=c"),
        ("A=b c", "b c"),
        ("A=it's", "it's"),
        ("A='b # c' # comment", "b # c"),
        ("A='$HOME\\n'", "$HOME\\n"),
        ('A="b # c"', "b # c"),
        ('A="say \\"hi\\" \\\\ \\$x\\n\\t"', 'say "hi" \\ $x\n\t'),
        ("A=b\r", "b"),
        ("A=\u2028b", "\u2028b".strip()),
        ("A=b\u2028c", "b\u2028c"),
    ],
)
def test_line_gives_its_value(tmp_path: Path, line: str, value: str) -> None:
    assert values(tmp_path / ".env", f"# first\n\n{line}\n") == {"A": value}


def test_missing_file_sets_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / ".env") == {}


def test_last_line_of_a_name_wins_and_tells_its_number(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n# A=2\nA=3", encoding="utf-8")
    assert read(path) == {"A": Variable("3", 3)}


def test_variable_does_not_show_its_value(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=secret", encoding="utf-8")
    assert "secret" not in repr(read(path))
