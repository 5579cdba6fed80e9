"""The terminal side of every command: results, errors, progress and exit codes."""
