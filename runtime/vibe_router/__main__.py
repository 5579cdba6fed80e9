"""`python -m vibe_router` is `vibe-router`."""

import runpy

if __name__ == "__main__":
    # Run by name: this package imports nothing of the command line, which is a package of its own in the same wheel.
    runpy.run_module("vibe_router_tools", run_name="__main__")
