"""The figures of conversations as tables."""

from __future__ import annotations

from vibe_router_tools.evaluation.conversations.figures import KAPPAS, ConversationFigures, WayFigures
from vibe_router_tools.evaluation.tables import Table


def conversation_tables(figures: ConversationFigures) -> tuple[Table, ...]:
    """Return the tables in reading order."""
    columns = ("", "threshold", "cloud", "changes", "conv. that fall", "that change", "twice or more", "right side")
    calm = Table("At an equal share of the cloud", columns, tuple(map(_calm_row, figures.ways)))
    if not figures.labelled:
        return (calm,)
    regrets = tuple((way.name, *_regret_cells(way)) for way in figures.ways)
    prices = ("", *(f"a change costs {kappa:g}" for kappa in KAPPAS))
    return calm, Table("Regret a turn against the best possible at that share", prices, regrets)


def explain_conversations(figures: ConversationFigures) -> str:
    """Return one paragraph that says what the tables' figures mean."""
    return (
        f"{figures.conversations} conversations with {figures.turns} turns of the user, {figures.labelled} of them "
        f"labelled from end to end. Each way has the threshold at which it sends {figures.share:.1%} of the turns to "
        "the cloud. Changes: of side, per transition from one turn to the next. Fall: from the cloud to the device."
    )


def _calm_row(way: WayFigures) -> tuple[str, ...]:
    shares = (way.cloud_share, way.changes, way.falls, way.changing, way.restless)
    right = "not labelled" if way.right is None else f"{way.right:.3f}"
    return (way.name, f"{way.threshold:.4f}", *(f"{share:.3f}" for share in shares), right)


def _regret_cells(way: WayFigures) -> tuple[str, ...]:
    return tuple(f"{regret:.4f}" for regret in (way.regret or {}).values())
