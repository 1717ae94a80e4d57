"""A session bus of the tests' own: nothing is on it but what a test puts there."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class PrivateBus:
    """dbus-daemon at a path of its own, which stays the same when it is started again."""

    def __init__(
        self,
        folder: Path,
        *,
        services: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Keep everything in `folder`.

        `services` can be started: name → command. `environ` is what they get; None for the test's.
        """
        self._environ = environ
        self.socket = folder / "bus"
        self.address = f"unix:path={self.socket}"
        self._config = folder / "bus.conf"
        self._process: subprocess.Popen[bytes] | None = None
        service_dir = folder / "services"
        service_dir.mkdir()
        for name, command in (services or {}).items():
            (service_dir / f"{name}.service").write_text(
                f"[D-BUS Service]\nName={name}\nExec={command}\n", encoding="utf-8"
            )
        self._config.write_text(
            _CONFIG.format(socket=self.socket, services=service_dir), encoding="utf-8"
        )

    @property
    def environ(self) -> dict[str, str]:
        """What tells a process of it."""
        return {"DBUS_SESSION_BUS_ADDRESS": self.address}

    def start(self) -> None:
        """Start it; it takes connections on return."""
        self._process = subprocess.Popen(
            [
                "dbus-daemon",
                f"--config-file={self._config}",
                "--nofork",
                "--nopidfile",
                "--print-address=1",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=None if self._environ is None else dict(self._environ),
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith(b"unix:path="), f"dbus-daemon did not start: {line!r}"

    def stop(self) -> None:
        """Cut everybody off."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.kill()
            self.socket.unlink(missing_ok=True)


@contextlib.contextmanager
def private_bus(
    folder: Path,
    *,
    services: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[PrivateBus]:
    """A bus that runs."""
    bus = PrivateBus(folder, services=services, environ=environ)
    bus.start()
    try:
        yield bus
    finally:
        bus.stop()
