"""Read a checkpoint: its configuration, its weights and what its training decided."""
