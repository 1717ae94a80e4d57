"""Lets `python -m offramp_daemon.supervisor` run the supervisor, as `offramp-daemon` does."""

from offramp_daemon.supervisor.supervisor import main

if __name__ == "__main__":
    main()
