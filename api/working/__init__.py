"""How jobs are done: the supervisor, the processes it gives orders to, and what these do."""
