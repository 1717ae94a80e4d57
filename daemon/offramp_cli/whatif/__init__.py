"""`offramp simulate`: what each way of delegating would make of both plans.

`log_replay` makes weeks of the user's log; `zai_costs` learns what they cost at Z.ai. `simulation`
drives a week through a mode: `drive` is its loop, `simulated_plan` plays a plan's limits, and
`auto_mode` puts the daemon's decisions behind `simulated_controller`. `comparison` counts, and
`plan_advice` says which of Z.ai's plans (`second_plan`) would have lasted. Made-up weeks, on which
the autopilot is tuned and judged, are in `benchmarks/`.
"""
