"""`python -m vibe_router` is `vibe-router`."""

from vibe_router.cli import main

if __name__ == "__main__":
    main()
