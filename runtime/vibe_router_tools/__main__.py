"""`python -m vibe_router_tools` is `vibe-router`."""

from vibe_router_tools.cli import main

if __name__ == "__main__":
    main()
