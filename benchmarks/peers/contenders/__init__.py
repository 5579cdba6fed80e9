"""The ways to run one checkpoint: this project's engines and what else a user could install, one file a family."""
