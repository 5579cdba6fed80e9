"""From a request to its plan: the model's name, the score, and the rules of `plan.py`."""

from __future__ import annotations

import time

from vibe_router.policy import Target, suggest
from vibe_router_gateway.asked import EMBEDDINGS, Asked
from vibe_router_gateway.budget import expected_cost
from vibe_router_gateway.exchange import Exchange
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.live import Live, check_named
from vibe_router_gateway.plan import Plan, plan_held, plan_named, plan_scored
from vibe_router_gateway.problems import ApiError
from vibe_router_gateway.scoring import score

AUTO = "auto"


async def decide(gateway: Gateway, live: Live, asked: Asked, exchange: Exchange) -> Plan:
    """Return who is asked for an answer, and in which order.

    Raises:
        ApiError: 400, 403, 404 or 429 where nobody may or can be asked.
    """
    settings = live.settings
    name = settings.aliases.get(asked.model, asked.model)
    cloud_allowed = settings.router.allow_cloud and not asked.cloud_forbidden
    head, colon, profile = name.partition(":")
    if head == AUTO:
        holder = settings.upstream(held) if (held := gateway.answered.side_of(asked.previous)) is not None else None
        if holder is not None:
            return plan_held(holder, cloud_allowed=cloud_allowed, budget_left=_budget_left(gateway, live, asked))
        if not asked.messages:
            raise ApiError(400, f"there is no text to route for the model {asked.model!r}", param="model")
        started = time.perf_counter()
        scored = await score(
            live.router,
            asked.messages,
            settings.router,
            live.loop,
            profile=profile if colon else None,
            allow_cloud=cloud_allowed,
            tools=asked.tools,
            policy=live.policy,
            sampling=live.sampling,
        )
        exchange.entry.score_ms = (time.perf_counter() - started) * 1000
        exchange.entry.scorer = live.scorer
        return plan_scored(
            settings.upstreams,
            asked,
            scored,
            faults=settings.faults,
            cloud_allowed=cloud_allowed,
            # Not before the score, while which other requests may have spent it.
            budget_left=_budget_left(gateway, live, asked),
        )
    side, _, rest = name.partition("/")
    if side in (Target.DEVICE.value, Target.CLOUD.value):
        upstream = check_named(settings.upstream(Target(side)), Target(side))
        model = rest or None
    else:
        found = await live.find(name)
        if found is None and asked.path == EMBEDDINGS:
            found = settings.upstream(Target(settings.embeddings))
        if found is None:
            raise ApiError(
                404,
                f"no side has the model {asked.model!r}",
                param="model",
                code="model_not_found",
                hint=suggest(asked.model, [AUTO, *(target.value for target in Target)]),
            )
        upstream, model = found, name
    left = _budget_left(gateway, live, asked)
    return plan_named(upstream, asked, model=model, cloud_allowed=cloud_allowed, budget_left=left)


def _budget_left(gateway: Gateway, live: Live, asked: Asked) -> bool:
    cloud = live.settings.upstream(Target.CLOUD)
    return cloud is None or gateway.budget.left(expected_cost(cloud.settings, asked))
