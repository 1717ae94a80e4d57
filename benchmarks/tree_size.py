"""Count lines and modules of a checkout: each package, the widest folder, tests beside the product.

    python benchmarks/tree_size.py [CHECKOUT]

Only files that git tracks, or could, are counted; blank lines and comments count as lines.
"""

from __future__ import annotations

import argparse
import collections
import subprocess
import sys
from pathlib import Path, PurePosixPath

_PRODUCT = ("daemon", "tray", "dashboard_qt")
_BESIDE = ("tests", "benchmarks")
_WIDEST = 5


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("checkout", type=Path, nargs="?", default=here, help="default: this one")
    root = parser.parse_args().checkout
    lines = {file: (root / file).read_bytes().count(b"\n") for file in _modules(root)}
    print(f"{'package':<44}{'modules':>8}{'lines':>8}")
    for folder in sorted({file.parent for file in lines if file.parts[0] in _PRODUCT}):
        own = [count for file, count in lines.items() if file.parent == folder]
        print(f"{folder!s:<44}{len(own):>8}{sum(own):>8}")
    for top in (*_PRODUCT, *_BESIDE):
        own = [count for file, count in lines.items() if file.parts[0] == top]
        print(f"all of {top:<37}{len(own):>8}{sum(own):>8}")
    _print_summary(lines)
    return 0


def _print_summary(lines: dict[PurePosixPath, int]) -> None:
    product = {file: count for file, count in lines.items() if file.parts[0] in _PRODUCT}
    tests = sum(count for file, count in lines.items() if file.parts[0] == "tests")
    widths = collections.Counter(file.parent for file in product)
    print("\nwidest folders: ", end="")
    print(", ".join(f"{folder} ({count})" for folder, count in widths.most_common(_WIDEST)))
    longest = max(product, key=lambda file: product[file])
    print(f"longest module: {longest} ({product[longest]} lines)")
    total = sum(product.values())
    print(f"product: {total} lines in {len(product)} modules; tests: {tests} lines")


def _modules(root: Path) -> list[PurePosixPath]:
    """Every Python file of the checkout, its path below the root."""
    git = ("git", "-c", "safe.directory=*", "-C", str(root), "ls-files")
    listed = subprocess.run(
        [*git, "--cached", "--others", "--exclude-standard", "--", "*.py"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [PurePosixPath(line) for line in listed.splitlines() if (root / line).is_file()]


if __name__ == "__main__":
    sys.exit(main())
