"""Notices when delegation does not work, and says so; skips a backend that refuses every request.

`runs` says when a run of requests that Claude had to serve shows that delegation does not work,
`watch` remembers the runs, and `request_notes` reads them from requests. `keeper` carries them over
a restart and announces them, in the file of `state_file`. `client_watch` notices that Claude Code's
settings no longer hold the address that `connect` wrote.
"""
