"""Claude Code's settings files: what they say, and how one value gets in and out of them.

`jsonc` and `editing` know text alone; `places` where the files are; `whole_file` reads and replaces
one; `memory` keeps what connect must not forget; `connection` joins these; `surroundings` sees what
would get in the way, `scopes` what each file and the shell set, `detours` what leads past a base
URL; `difference` shows a change without the secrets around it.
"""
