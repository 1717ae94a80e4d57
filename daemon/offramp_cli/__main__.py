"""Runs `offramp` for `python -m offramp_cli`."""

from offramp_cli import main

if __name__ == "__main__":
    main()
