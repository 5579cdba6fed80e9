"""The subcommands that answer one question each, one a file."""
