"""The tray: shows the split of the week in an icon, and pauses delegation from its menu.

It reads the log and asks the daemon over its control socket; it never touches a request.
"""
