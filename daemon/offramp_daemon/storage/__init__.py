"""Files that several processes append to, written in the background."""
