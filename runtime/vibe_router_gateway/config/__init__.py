"""Settings of the gateway: a TOML file, the environment and options, checked before anything starts."""
