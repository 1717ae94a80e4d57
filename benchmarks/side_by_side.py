"""Send the same requests to the daemons of two checkouts, and compare all that comes of them.

    python benchmarks/side_by_side.py OLD_CHECKOUT [NEW_CHECKOUT]

Each checkout needs its own environment (`make setup`); the new one is this one unless it is named.
Both daemons stand in front of services that record the bytes which arrive. Compared are, for every
request, what the services received and what the client got, and for every group of requests the
records, the state events, the daemon's words, and the output of the commands. Times, ports, process
numbers and random ids are taken out. Ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pair_compare
import pair_groups
import pair_services
from pair_compare import Differences
from pair_daemon import Checkout, Side, side
from pair_requests import Command, Request

if TYPE_CHECKING:
    from pair_requests import Group

_HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Compare two checkouts; 1 if they differ."""
    options = _options()
    checkouts = Checkout(options.old.resolve()), Checkout(options.new.resolve())
    groups = [
        group
        for group in pair_groups.all_groups()
        if not options.only or options.only in group.name
    ]
    started_at_s = time.monotonic()
    differences = Differences()
    asyncio.run(_compare(checkouts, groups, differences, options.keep))
    for line in differences.lines:
        print(line)
    requests = sum(isinstance(step, Request) for group in groups for step in group.steps)
    print(
        f"{requests} requests in {len(groups)} groups, {differences.compared} comparisons, "
        f"{len(differences.lines)} differences; {time.monotonic() - started_at_s:.0f} s"
    )
    return int(bool(differences.lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=Path, help="the checkout that says how it should be")
    parser.add_argument("new", type=Path, nargs="?", default=_HERE, help="default: this one")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write all that was seen there")
    parser.add_argument("--only", metavar="TEXT", help="only groups with this in their name")
    return parser.parse_args()


@dataclass
class _Seen:
    """What came of one group on one side, under the name of each thing that is compared."""

    things: dict[str, bytes] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Write all of it into `file`, to be read or compared by other means."""
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = [b"======== %s\n%s\n" % (name.encode(), got) for name, got in self.things.items()]
        file.write_bytes(b"".join(parts))


async def _compare(
    checkouts: tuple[Checkout, Checkout],
    groups: list[Group],
    differences: Differences,
    kept: Path | None,
) -> None:
    """Send each group to both sides at once."""
    for group in groups:
        async with asyncio.TaskGroup() as tasks:
            old, new = (tasks.create_task(_seen(checkout, group)) for checkout in checkouts)
        if kept is not None:
            old.result().write(kept / "old" / group.name)
            new.result().write(kept / "new" / group.name)
        names = [*old.result().things, *(new.result().things.keys() - old.result().things.keys())]
        for name in names:
            before = old.result().things.get(name, b"(nothing)")
            after = new.result().things.get(name, b"(nothing)")
            differences.compare(f"{group.name}: {name}", before, after)
        print(f"{group.name}: {len(differences.lines)} differences", file=sys.stderr)


async def _seen(checkout: Checkout, group: Group) -> _Seen:
    """Send all of `group` to the daemon of `checkout`."""
    seen = _Seen()
    with tempfile.TemporaryDirectory(prefix="offramp-side-") as folder:
        home = Path(folder) / "home"
        async with pair_services.services() as pair:
            async with side(checkout, home, group.config, pair) as running:
                names = _names(running)
                for number, step in enumerate(group.steps):
                    await _take(running, f"{number:03} {step.name}", step, names, seen)
                said = running.said
            seen.things["exit code"] = str(running.process.returncode).encode()
            seen.things["daemon's words"] = pair_compare.plain(b"".join(said), names)
            for name, content in running.files().items():
                label = f"file {pair_compare.plain(name.encode(), names).decode()}"
                seen.things[label] = pair_compare.plain(content, names)
    return seen


async def _take(
    running: Side, label: str, step: Request | Command, names: dict[bytes, bytes], seen: _Seen
) -> None:
    """Take one step, and keep what came of it."""
    if isinstance(step, Command):
        code, words = await running.command(*step.arguments)
        plain = pair_compare.plain(words, names)
        seen.things[f"{label}, command"] = b"exit code %d\n%s" % (code, plain)
        return
    running.claude.log.clear()
    got = await running.ask(step)
    data = pair_compare.answers(got.data, is_head=step.is_head) + f"\n[{got.ending}]".encode()
    seen.things[f"{label}, client got"] = pair_compare.plain(data, names)
    sent = b"".join(
        b"--- to %s (%s)\n%s%s\n"
        % (each.service.encode(), b"whole" if each.is_whole else b"cut", each.head, each.body)
        for each in running.claude.log
    )
    seen.things[f"{label}, upstream got"] = pair_compare.plain(sent, names)


def _names(running: Side) -> dict[bytes, bytes]:
    """What stands for the ports and paths of one side."""
    ports = {
        running.claude.port: b"CLAUD",
        running.zai.port: b"ZAIZA",
        running.port: b"DAEMO",
        running.nowhere: b"NOWHE",
    }
    own = {f":{port}".encode(): b":" + name for port, name in ports.items()}
    return {
        **own,
        str(running.home).encode(): b"HOME",
        str(running.checkout.root).encode(): b"ROOT",
    }


if __name__ == "__main__":
    sys.exit(main())
