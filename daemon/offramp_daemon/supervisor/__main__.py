"""Where `offramp-daemon` begins, by its own name or by `python -m offramp_daemon.supervisor`.

It imports next to nothing before standard error is kept small: where an installation is broken,
each start fails here, and adds a message to the file in which launchd collects them.
"""

from __future__ import annotations

import os

from offramp_daemon.supervisor import start_failure, stderr_file


def main() -> None:
    """Run the supervisor."""
    stderr_file.bound(os.environ)
    try:
        from offramp_daemon.supervisor.supervisor import main as run
    except Exception as error:  # noqa: BLE001 - whatever an import may raise
        start_failure.end(
            f"This installation is broken ({type(error).__name__}: {error}).",
            "Install Offramp again, in the way that you installed it.",
        )
    run()


if __name__ == "__main__":
    main()
