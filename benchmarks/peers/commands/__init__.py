"""The subcommands that compare with peers, one a file."""
