"""The autopilot: sends execution work to Z.ai only as far as the Claude plan needs it to last.

`pilot` runs in the daemon and asks `controller`, which decides from what `forecast` expects of the
user, `cost_model` knows of the plan, and `plan_snapshot` says of the plan's figures. `history` and
`lessons` are what they learn from. Nothing but `pilot` and `state_file` reads a file or a clock,
and nothing here asks the network.
"""
