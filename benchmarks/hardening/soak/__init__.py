"""A long run: many threads, reloads of the bundle, injected faults; every answer compared with the known one."""
