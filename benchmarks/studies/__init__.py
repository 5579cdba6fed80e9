"""One question each about an implementation choice, one a file."""
