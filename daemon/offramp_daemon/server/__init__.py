"""The listening side: sockets, the HTTP server, and an orderly end."""
