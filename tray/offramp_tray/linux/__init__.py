"""Icons, menus and notifications on Linux desktops, over D-Bus."""
