"""The subcommands that attack, one a file."""
