"""Login items: what has the daemon run from login on, and the tray beside it.

`service` says what every service manager can do, `detect` finds the one that this machine has.
`systemd_units` and `launchd_agents` are pure text; `systemd` and `launchd` speak to the managers,
only through `runner`. `planned_files` compares and writes files, `plan` describes a change and
applies it. `executables` finds paths that outlive an upgrade, `environment` the few variables that
a login item needs, `sockets` where it listens. `autostart` is the tray's.
"""
