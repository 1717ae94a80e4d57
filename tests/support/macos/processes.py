"""What `ps` and `lsof` say of processes: those that a test names, or the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from macos.answers import Answer

_PROC = Path("/proc")


def ps(state: dict[str, Any], words: list[str]) -> Answer:
    """`ps` with `-o FIELD=[,FIELD=]` (args, command, comm, pid), for all (-ax) or for `-p PID`.

    Its lines are as long as they are where it does not write to a terminal.
    """
    fields = [each.rstrip("=") for each in _after(words, "-o").split(",")]
    wanted = _after(words, "-p")
    known = [each for each in _all(state) if not wanted or str(each["pid"]) in wanted.split(",")]
    lines = [" ".join(_field(each, field) for field in fields) for each in known]
    return Answer(0 if known else 1, "".join(f"{line}\n" for line in lines))


def lsof(state: dict[str, Any], words: list[str]) -> Answer:
    """`lsof -F` of listeners (`-iTCP:PORT`) or of files that are loaded (`-d txt`).

    Since macOS 10.12 a line `f` comes with each file, asked for or not (shirou/gopsutil#402).
    Without root it shows the user's own processes alone. Nothing found is a failure without words.
    """
    fields = next((each[2:] for each in words if each.startswith("-F")), "")
    port = next((each.rpartition(":")[2] for each in words if each.startswith("-iTCP:")), None)
    pid = _after(words, "-p")
    out = ""
    for each in _all(state):
        if not each["is_own"] or (pid and str(each["pid"]) not in pid.split(",")):
            continue
        files = _files(each, port, is_loaded=_after(words, "-d") == "txt")
        if files:
            out += _field_lines(each, files, fields)
    return Answer(0 if out else 1, out)


def _field_lines(process: dict[str, Any], files: list[tuple[str, str]], fields: str) -> str:
    head = f"p{process['pid']}\n" + (f"c{process['name']}\n" if "c" in fields else "")
    return head + "".join(
        f"f{fd}\n" + (f"n{name}\n" if "n" in fields else "") for fd, name in files
    )


def _files(process: dict[str, Any], port: str | None, *, is_loaded: bool) -> list[tuple[str, str]]:
    if port is not None:
        listens = enumerate(process["listens"])
        return [(str(7 + at), each) for at, each in listens if each.endswith(f":{port}")]
    return [("txt", each) for each in process["loaded"]] if is_loaded else []


def _after(words: list[str], option: str) -> str:
    """The value of an option, in one word with it or in the next."""
    for at, word in enumerate(words):
        if word == option:
            return words[at + 1] if at + 1 < len(words) else ""
        if word.startswith(option) and len(option) == 2 and not word.startswith("--"):
            return word[2:]
    return ""


def _field(process: dict[str, Any], name: str) -> str:
    match name:
        case "pid":
            return f"{process['pid']:>5}"
        case "comm" | "ucomm":
            return str(process["name"])
        case _:
            return " ".join(process["args"])


def _all(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [*state["processes"], *(_real() if state["sees_real_processes"] else [])]


def _real() -> list[dict[str, Any]]:
    found = [_real_one(each) for each in _PROC.iterdir() if each.name.isdecimal()]
    return [each for each in found if each is not None]


def _real_one(folder: Path) -> dict[str, Any] | None:
    try:
        args = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        maps = (folder / "maps").read_text(encoding="utf-8", errors="replace")
        name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    paths = (line.split(maxsplit=5)[5:] for line in maps.splitlines())
    loaded = dict.fromkeys(path for [path] in filter(None, paths) if path.startswith("/"))
    return {
        "pid": int(folder.name),
        "name": name,
        "args": [each.decode(errors="replace") for each in args],
        "loaded": list(loaded),
        "listens": [],
        "is_own": True,
    }
