"""Route the published model card's 14 example prompts with the bundled router and print a table."""

from __future__ import annotations

import importlib.util
import time

from rich.console import Console
from rich.table import Table

from vibe_router import Router

PROMPTS = (
    "hi",
    "hello",
    "what is 2+2?",
    "how are you?",
    "tell me a joke",
    "what day is it today?",
    "translate hello to spanish",
    "define photosynthesis",
    "explain recursion",
    "Write a thread-safe LRU cache in Python",
    "Explain quantum entanglement",
    "Design a distributed consensus algorithm",
    "Implement a transformer attention mechanism",
    "Explain quantum error correction codes",
)


def main() -> None:
    """Load the bundled router, route every prompt, print score, decision, tokens and time."""
    with Router.load() as router:
        router.route("the first run allocates memory")
        manifest = router.bundle.manifest
        table = Table(title=f"{manifest.name}, profile {manifest.default_profile}, engine {router.engine.name}")
        for column in ("prompt", "p_cloud", "threshold", "decision", "tokens", "ms"):
            table.add_column(column, justify="right" if column in ("p_cloud", "threshold", "tokens", "ms") else "left")
        for prompt in PROMPTS:
            start = time.perf_counter()
            decision = router.route(prompt)
            milliseconds = (time.perf_counter() - start) * 1000
            table.add_row(
                prompt,
                f"{decision.p_cloud:.3f}",
                f"{decision.threshold:.3f}",
                decision.target.value,
                str(decision.tokens),
                f"{milliseconds:.1f}",
            )
    console = Console(width=max(Console().width, 100))
    console.print(table)
    installed = importlib.util.find_spec("torch") is not None
    console.print(f"torch in this environment: {'installed, but not used' if installed else 'not installed'}")


if __name__ == "__main__":
    main()
