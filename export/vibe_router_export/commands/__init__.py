"""The subcommands of `router-export`, one a file."""
