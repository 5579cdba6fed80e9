"""Programs that run in a process of their own, with the packages of one consumer."""
