"""One file a command of `router-train`: parse, call the library, print."""
