"""The autopilot: sends execution work to Z.ai only as far as the Claude plan needs it to last.

`controller` decides, from what `forecast` expects of the user, `cost` knows of the plan, and
`reading` trusts of the plan's figures; `history` turns the request log into what is learnt from.

`workload` makes weeks up and `replay` takes the user's own, `plan` plays Claude's limits,
`simulation` drives a week through a mode, and `comparison` counts: no decision is tuned on the
weeks that it is judged by. Nothing here reads a file, asks the network or knows the time.
"""
