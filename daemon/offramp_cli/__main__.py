"""Lets `python -m offramp_cli` stand in for `offramp`."""

from offramp_cli import main

if __name__ == "__main__":
    main()
