"""The autopilot: sends execution work where there is room, so that both plans last their weeks.

`pilot` runs in the daemon. It knows Claude's plan by `claude_plan` and those of delegates by
`delegate_plans`, and asks `controller`, which decides from what `forecast` expects of the user,
held by `ahead_cache`, from what the cost models know of the plans (`cost_model`, `delegate_model`
with `peak_hours`, `plan_change`), and from `plan_snapshot` and `delegate_budget`. `ahead` makes the
forecasts that people see, by `outlook`. `history` and `lessons` are what is learnt from. Nothing
but `pilot` and `state_file` reads a file or a clock, and nothing here asks the network.
"""
