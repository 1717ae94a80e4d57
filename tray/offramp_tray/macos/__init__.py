"""The icon in macOS's menu bar."""
