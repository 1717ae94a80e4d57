"""What Qt's views show of the log: the table of requests, and what can be toggled."""
