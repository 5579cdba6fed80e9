"""MT-Bench-101's dialogues through the bundled router, where they lie beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from vibe_router import ChatPolicy, Router
from vibe_router.conversation.policy import threshold_logit
from vibe_router_tools.evaluation.conversations.figures import judge
from vibe_router_tools.evaluation.conversations.read import read_conversations
from vibe_router_tools.evaluation.conversations.score import score_conversations

DIALOGUES = Path(__file__).resolve().parents[3] / "shared" / "data" / "mtbench101.jsonl"

LAST = "last turn"
THRESHOLDS = [step / 20 for step in range(2, 19)]

MOST_CHANGES = 0.10
"""Changes of side per transition, at the share of the cloud that the last turn alone has."""

MOST_FALLS = 0.01
"""Share of conversations that fall from the cloud to the device."""


@pytest.mark.slow
@pytest.mark.skipif(not DIALOGUES.exists(), reason="MT-Bench-101 is not here")
def test_public_dialogues_stay_on_their_side() -> None:
    conversations = list(read_conversations(DIALOGUES, harness_tags=ChatPolicy().harness_tags))
    with Router.load(threads=1) as router:
        scored = score_conversations(router, conversations, ChatPolicy(), name=DIALOGUES.name)
    judged = [judge(scored, bound=threshold_logit(raw)).ways for raw in THRESHOLDS]
    # Where the last turn alone sends about half to the cloud, there is most to change.
    ways = min(({way.name: way for way in ways} for ways in judged), key=lambda ways: abs(ways[LAST].cloud_share - 0.5))
    last, ours = ways[LAST], ways["route_chat"]
    assert 0.3 < last.cloud_share < 0.7
    assert ours.cloud_share == pytest.approx(last.cloud_share, abs=0.005)
    assert ours.changes <= MOST_CHANGES < last.changes
    assert ours.falls <= MOST_FALLS < last.falls
