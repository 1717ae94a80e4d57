"""What requests take of each plan, learnt from the moves of the plans' own figures."""
