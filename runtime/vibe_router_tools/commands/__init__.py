"""One file a command of `vibe-router`: parse, call the library, print."""
