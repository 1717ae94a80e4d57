"""Claude Code's settings files: what they say, and how one value gets in and out of them.

`json_spans` and `editing` know text only; `locations` says where the files are; `undo_state` keeps
what connect must not forget, and `backups` the copies that it makes; `connection` joins these.
`scopes` reads what each file and the shell set, `bypasses` what leads past a base URL, `warnings`
what would get in the way; `masked_diff` shows a change without the secrets around it.
"""
