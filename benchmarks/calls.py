"""Count the project's own Python calls, and modules entered, for one small request in the daemon.

    python benchmarks/calls.py [CHECKOUT] [--json]

The request is not streamed. The daemon runs as a process of its own, in front of services that
answer at once, and is warm when it is counted. A call is a function below the checkout's `daemon`
folder that begins to run on the event loop's thread; a coroutine that goes on after a wait does not
count again. Works on any checkout that has an environment of its own (`make setup`), whatever its
packages are called.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import runpy
import signal
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from pair_daemon import Side
    from pair_requests import Request

_SCRIPT = Path(__file__).resolve()
_HERE = _SCRIPT.parent.parent
_INSIDE = "--inside"
_WARM_UP = 20
_COUNTED = 15
_PATIENCE_S = 20.0


def main() -> int:
    """Print the table, or its figures as JSON."""
    if sys.argv[1:2] == [_INSIDE]:
        return _run_counted(Path(sys.argv[2]), sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkout", type=Path, nargs="?", default=_HERE, help="default: this one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--modules", action="store_true", help="list each module with its calls")
    options = parser.parse_args()
    figures = asyncio.run(_measure(options.checkout.resolve()))
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    print(f"{'request':<10}{'calls':>7}{'modules':>9}")
    for name, figure in figures.items():
        print(f"{name:<10}{figure['calls']:>7}{figure['modules']:>9}")
        if options.modules:
            for module, calls in figure["by_module"].items():
                print(f"    {module:<50}{calls:>5}")
    return 0


async def _measure(root: Path) -> dict[str, Any]:
    """The figures of each kind of request: the median of several."""
    import pair_services
    from pair_daemon import Checkout, side
    from pair_requests import OPUS, SONNET, ask, config, post

    with tempfile.TemporaryDirectory(prefix="offramp-calls-") as folder:
        output = Path(folder) / "calls.json"
        launcher = (str(_SCRIPT), _INSIDE, str(output))
        home = Path(folder) / "home"
        async with (
            pair_services.services() as pair,
            side(Checkout(root), home, config(), pair, launcher=launcher) as running,
        ):
            return {
                name: await _figure(running, output, post(name, ask(model, is_streamed=False)))
                for name, model in (("Opus", OPUS), ("Sonnet", SONNET))
            }


async def _figure(running: Side, output: Path, request: Request) -> dict[str, Any]:
    for _ in range(_WARM_UP):
        await running.ask(request)
    counts = []
    for _ in range(_COUNTED):
        running.process.send_signal(signal.SIGUSR1)
        await running.ask(request)
        running.process.send_signal(signal.SIGUSR2)
        counts.append(await _counted(output))
    middle = statistics.median_low(sum(each.values()) for each in counts)
    typical = next(each for each in counts if sum(each.values()) == middle)
    return {"calls": middle, "modules": len(typical), "by_module": typical}


async def _counted(output: Path) -> dict[str, int]:
    """What the daemon's process has counted; its file is there once it is whole."""
    async with asyncio.timeout(_PATIENCE_S):
        while (counted := _taken(output)) is None:  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.005)
    return counted


def _taken(output: Path) -> dict[str, int] | None:
    """What is in `output`, which is removed; None if it is not there."""
    if not output.exists():
        return None
    counted: dict[str, int] = json.loads(output.read_text())
    output.unlink()
    return counted


def _run_counted(output: Path, arguments: list[str]) -> int:
    """Run the module in `arguments`; count from one signal to the next, and write the counts."""
    root = str(Path(next(path for path in sys.path if path.endswith("/daemon"))))
    calls: collections.Counter[str] = collections.Counter()

    def profile(frame: FrameType, kind: str, _argument: Any) -> None:
        code = frame.f_code
        if kind == "call" and code.co_filename.startswith(root) and _begins(frame):
            calls[code.co_filename[len(root) + 1 :]] += 1

    def begin(_number: int, _frame: FrameType | None) -> None:
        calls.clear()
        sys.setprofile(profile)

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.setprofile(None)
        partial = output.with_suffix(".partial")
        partial.write_text(json.dumps(dict(calls.most_common())))
        partial.rename(output)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    sys.argv = arguments
    sys.path.remove(str(_SCRIPT.parent))
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    return 0


_seen: dict[Any, int] = {}
"""Of each code, the least position at which it was seen to be called."""


def _begins(frame: FrameType) -> bool:
    """Whether a frame begins rather than goes on after a wait."""
    least = _seen.setdefault(frame.f_code, frame.f_lasti)
    if frame.f_lasti < least:
        _seen[frame.f_code] = least = frame.f_lasti
    return frame.f_lasti == least


if __name__ == "__main__":
    sys.exit(main())
