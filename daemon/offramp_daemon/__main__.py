"""Lets `python -m offramp_daemon` stand in for `offramp`."""

from offramp_daemon.cli import main

if __name__ == "__main__":
    main()
