"""`offramp doctor`: looks at each link of the chain, says what it saw, and names the cure.

It only looks: what a check writes it takes away again, and no credential leaves this machine but a
backend's own key, to that backend. Each check is two steps, `look`, which asks files, sockets and
programs within a time limit and never raises for what it finds, and `judge`, which is pure.

`context` is what all checks start from, `check_list` lists them in order, `runner` runs them side
by side, `finding` is the result of a check, and `report` shows it.
"""
