"""How other processes talk to the daemon: the messages, a client, and who holds the port."""
