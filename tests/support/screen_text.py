"""What a terminal shows after a program has written to it: as much of one as Claude Code needs."""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"\x1b\[(?P<private>[?<>=]?)(?P<numbers>[0-9;:]*)[ !$]?(?P<end>[@-~])"
    r"|\x1b\].*?(?:\x07|\x1b\\)|\x1b[()#][A-Z0-9]|\x1b[=>78cMDE]|(?P<plain>[^\x1b])",
    re.DOTALL,
)


def screen_text(written: str) -> str:
    """The lines as they stand in the end, those that have scrolled away included."""
    rows: dict[int, dict[int, str]] = {}
    row = column = 0
    for piece in _PIECE.finditer(written):
        numbers = [int(number) for number in re.findall(r"\d+", piece["numbers"] or "")]
        count = max(numbers[0], 1) if numbers else 1
        match piece["end"], piece["plain"]:
            case None, "\r":
                column = 0
            case None, "\n":
                row += 1
            case None, "\b":
                column = max(column - 1, 0)
            case None, str(letter) if letter.isprintable():
                rows.setdefault(row, {})[column] = letter
                column += 1
            case "A", _:
                row = max(row - count, 0)
            case "B", _:
                row += count
            case "C", _:
                column += count
            case "D", _:
                column = max(column - count, 0)
            case "G", _:
                column = count - 1
            case "H", _:
                row, column = count - 1, (numbers[1] if len(numbers) > 1 else 1) - 1
            case ("J" | "K") as kind, _ if not piece["private"]:
                _erase(rows, row, column, numbers[0] if numbers else 0, is_screen=kind == "J")
            case _:
                pass  # colours, modes, titles
    return "\n".join(_line(rows.get(number, {})) for number in range(max(rows, default=-1) + 1))


def _erase(
    rows: dict[int, dict[int, str]], row: int, column: int, how: int, *, is_screen: bool
) -> None:
    """From the cursor on (0), up to it (1), or all of it (2), of the line or of the screen."""
    line = rows.get(row, {})
    for place in list(line):
        if how >= 2 or (place >= column if how == 0 else place <= column):
            del line[place]
    for other in list(rows) if is_screen else ():
        if other != row and (how >= 2 or (other > row if how == 0 else other < row)):
            del rows[other]


def _line(cells: dict[int, str]) -> str:
    return "".join(cells.get(place, " ") for place in range(max(cells, default=-1) + 1)).rstrip()
