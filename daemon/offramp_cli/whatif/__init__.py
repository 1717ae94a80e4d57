"""`offramp simulate`: what each way of delegating would make of the Claude week.

`log_replay` makes weeks of the user's log, `simulated_plan` plays Claude's limits, `simulation`
drives a week through a mode, and `comparison` counts. Made-up weeks, on which the autopilot is
tuned and judged, are in `benchmarks/synthetic_weeks.py`.
"""
