"""The daemon's control socket: commands in, status and changes out."""
