"""The autopilot: sends execution work to Z.ai only as far as the Claude plan needs it to last.

`controller` decides, from what `forecast` expects of the user and `cost` knows of the plan.
`workload` makes weeks up, `plan` plays Claude's limits, and `simulation` drives one through the
other: no decision is tuned on the weeks that it is judged by.
"""
