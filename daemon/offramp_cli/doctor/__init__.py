"""`offramp doctor`: looks at each link of the chain, says what it saw, and names the cure.

It only looks: what a check writes it takes away again, and no credential leaves this machine but a
backend's own key, to that backend. Each check is two steps, `look`, which asks files, sockets and
programs within a time limit and never raises for what it finds, and `judge`, which is pure.

`finding` is what a check comes to, `running` runs them side by side, `report` shows them,
`surroundings` is what they all start from, `catalogue` lists them in order.
"""
