"""`vibe-router eval --conversations`: compare ways of routing whole conversations."""

from __future__ import annotations

from pathlib import Path

from vibe_router.conversation.policy import ChatPolicy, threshold_logit
from vibe_router.errors import DataError, UsageError
from vibe_router.policy import profile_threshold
from vibe_router_tools.commands.loading import Loading
from vibe_router_tools.console.output import print_json, print_line, print_table, progress_bar
from vibe_router_tools.evaluation.conversations.figures import judge
from vibe_router_tools.evaluation.conversations.read import read_conversations
from vibe_router_tools.evaluation.conversations.score import score_conversations
from vibe_router_tools.evaluation.conversations.tables import conversation_tables, explain_conversations
from vibe_router_tools.evaluation.jsonable import jsonable


def evaluate_conversations(data: Path, loading: Loading, *, share: float | None, as_json: bool) -> None:
    """Print the figures of every way of routing conversations on the file `data`.

    Raises:
        DataError: the file cannot be read, has a bad row, or no conversation.
        UsageError: the share is not between 0 and 1.
    """
    if share is not None and not 0 < share < 1:
        raise UsageError(f"--share {share} is not between 0 and 1", hint="for example 0.3")
    policy = ChatPolicy()
    conversations = list(read_conversations(data, harness_tags=policy.harness_tags))
    if not conversations:
        raise DataError(f"{data}: no conversations", hint='give a JSONL file with "messages" in each line')
    with loading.load() as router, progress_bar("scoring", total=len(conversations)) as progress:
        scored = score_conversations(router, conversations, policy, name=str(data), progress=progress)
        manifest = router.bundle.manifest
        engine = router.engine.name
    bound = threshold_logit(profile_threshold(manifest, None))
    figures = judge(scored, bound=bound, share=share, policy=policy)
    if as_json:
        facts = {"bundle": {"name": manifest.name, "version": manifest.version}, "engine": engine, "data": str(data)}
        print_json(jsonable(facts | {"conversations": figures}))
        return
    print_line(f"{manifest.name} {manifest.version} on {data.name}, {engine}.\n{explain_conversations(figures)}\n")
    for table in conversation_tables(figures):
        print_table(table.title, table.columns, table.rows)
