"""The gateway's paths, one file for each group."""
