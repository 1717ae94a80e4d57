"""Offramp as `make install` leaves it: environments of its own below a home, without the network.

The packages are those of the environment that runs the tests; the programs are real.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon_process import PRODUCT

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = {
    "offramp": "from offramp_cli import main",
    "offramp-daemon": "from offramp_daemon.supervisor.__main__ import main",
}
# As pip writes it where the path is too long for the system, or holds a blank.
_SCRIPT = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys
{importing}
sys.exit(main())
"""


@dataclass(frozen=True)
class InstalledOfframp:
    """The folder of `make install` in a home."""

    home: Path

    @property
    def app(self) -> Path:
        return self.home / ".local" / "share" / "offramp-app"

    @property
    def command(self) -> str:
        """`offramp`, as the user types it."""
        return str(self.home / ".local" / "bin" / "offramp")

    @property
    def daemon(self) -> Path:
        return self.app / "current" / "bin" / "offramp-daemon"

    @property
    def is_there(self) -> bool:
        """Whether anything of it is left."""
        return self.app.exists() or Path(self.command).is_symlink()

    def add(
        self, name: str, *, sources: str = PRODUCT, programs: Mapping[str, str] = PROGRAMS
    ) -> Path:
        """Make an environment and have `current` lead there, as an upgrade does."""
        environment = self.app / name
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(environment)],
            check=True,
        )
        (packages,) = environment.glob("lib/python*/site-packages")
        seen = [*sources.split(os.pathsep), sysconfig.get_path("purelib")]
        (packages / "offramp-test.pth").write_text("\n".join(seen), encoding="utf-8")
        for program, importing in programs.items():
            script = environment / "bin" / program
            python = str(environment / "bin" / "python")
            for special in ("\\", '"', "$", "`"):
                python = python.replace(special, f"\\{special}")
            script.write_text(_SCRIPT.format(python=python, importing=importing), encoding="utf-8")
            script.chmod(0o755)
            self._link(self.app / "current" / "bin" / program, self.home / ".local/bin" / program)
        self._link(environment, self.app / "current")
        return environment

    def _link(self, target: Path, link: Path) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        new = link.with_name(f"{link.name}.new")
        new.symlink_to(target)
        os.replace(new, link)  # noqa: PTH105 - Path.replace follows neither, but says less
