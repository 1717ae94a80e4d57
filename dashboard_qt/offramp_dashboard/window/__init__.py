"""The main window: its frame, menus, style and remembered place."""
