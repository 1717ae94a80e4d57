"""HTTP's details, without any I/O: headers, content codings, server-sent events, origins."""
