"""Login items: what has the daemon run from login on, and the tray beside it.

`service` says what every service manager can do, `detect` finds the one that this machine has.
`systemd_units` and `launchd_agents` are pure text; `systemd` and `launchd` speak to the managers,
through `runner` alone; `planned_files` compares and writes files, `steps` carries a plan out;
`executables` finds paths that outlive an upgrade, `environment` the few variables that a login item
needs, `sockets` where it listens. `autostart` is the tray's.
"""
