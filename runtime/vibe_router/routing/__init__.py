"""From token ids to decisions: calls, batches, threads and deadlines."""
