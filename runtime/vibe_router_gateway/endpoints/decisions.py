"""Decisions without an answer, for other gateways: POST /v1/decision and POST /v1/systemone."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from vibe_router.policy import Target
from vibe_router_gateway.asked import forbids_cloud, read_asked, read_object
from vibe_router_gateway.endpoints.deciding import AUTO, decide
from vibe_router_gateway.exchange import Exchange
from vibe_router_gateway.gateway import Gateway
from vibe_router_gateway.json_splice import replace_member
from vibe_router_gateway.problems import ApiError
from vibe_router_gateway.scoring import score


async def decide_only(gateway: Gateway, body: bytes, headers: Mapping[str, str], exchange: Exchange) -> web.Response:
    """Return what /v1/chat/completions would do with the same body, and ask nobody.

    Raises:
        ApiError: what it would refuse.
    """
    fields = read_object(body)
    if "model" not in fields:
        # In the body's own bytes, because their number says how much context the request needs.
        body = replace_member(body, "model", AUTO)
    asked = read_asked("/v1/chat/completions", body, headers)
    async with gateway.using() as live:
        plan = await decide(gateway, live, asked, exchange)
        exchange.note_plan(plan)
        tries = [
            {"side": upstream.side.value, "model": plan.model or upstream.settings.model or None}
            for upstream in plan.tries
        ]
        manifest = live.router.bundle.manifest
    scored = plan.scored
    told = {
        "id": exchange.entry.id,
        "object": "vibe.decision",
        "target": plan.target.value,
        "reason": plan.reason.value,
        "p_cloud": None if scored is None else scored.p_cloud,
        "threshold": None if scored is None else scored.threshold,
        "profile": None if scored is None else scored.profile,
        "requires": {
            "tools": asked.needs_tools,
            "vision": asked.needs_vision,
            "audio": asked.needs_audio,
            "context_tokens": asked.tokens,
        },
        "tries": tries,
        "bundle": {"name": manifest.name, "version": manifest.version},
        "latency_ms": round(exchange.elapsed_ms(), 3),
    }
    return web.json_response(told, headers=exchange.headers())


async def system_one(gateway: Gateway, body: bytes, headers: Mapping[str, str], exchange: Exchange) -> web.Response:
    """Answer choice questions about a text in the decision models' wire format, as LiteLLM's complexity router asks.

    The labels are taken in the order of their criteria, from what the simplest request deserves to the hardest, as
    tiers are written. A score of p_cloud lies on the scale from 0 to 1 that the labels divide: half of them, rounded
    up, lie below the threshold. See `tier_probabilities`. Where the cloud is forbidden, the simplest label is chosen.

    Raises:
        ApiError: 400, no text, or a question that is not a choice.
    """
    fields = read_object(body)
    state, questions = fields.get("state"), fields.get("questions")
    if not isinstance(questions, dict) or not questions:
        raise ApiError(400, "questions is not a table of questions", param="questions")
    if state is None:
        raise ApiError(400, "there is no text to route", param="state", hint="Give it as state")
    text = state if isinstance(state, str) else json.dumps(state, ensure_ascii=False)
    forbidden = forbids_cloud(fields, headers)
    started = time.perf_counter()
    async with gateway.using() as live:
        allowed = live.settings.router.allow_cloud and not forbidden
        scored = await score(
            live.router,
            [{"role": "user", "content": _request_of(text)}],
            live.settings.router,
            live.loop,
            profile=None,
            allow_cloud=allowed,
            policy=live.policy,
        )
    exchange.entry.score_ms = (time.perf_counter() - started) * 1000
    exchange.entry.p_cloud, exchange.entry.threshold = scored.p_cloud, scored.threshold
    p_cloud = scored.p_cloud if allowed else 0.0
    if p_cloud is None:
        p_cloud = 1.0 if scored.target is Target.CLOUD else 0.0
    answers = {name: _choice(question, name, p_cloud, scored.threshold) for name, question in questions.items()}
    told = {
        "id": exchange.entry.id,
        "model": str(fields.get("model") or "vibe-router"),
        "answers": answers,
        "usage": {"input_tokens": scored.tokens, "output_tokens": 0},
    }
    return web.json_response(told, headers=exchange.headers())


def tier_probabilities(labels: list[str], p_cloud: float, threshold: float) -> dict[str, float]:
    """Return a probability for each label, in their order from simple to hard; they add up to 1.

    The score's place on the labels' scale is x = n/2 * p/t below the threshold t and n/2 + n/2 * (p-t)/(1-t) above,
    for n labels, so that the middle of the scale is the threshold. A label's probability falls by exp(-2 d) with the
    distance d of its middle from x.
    """
    half = math.ceil(len(labels) / 2)
    if p_cloud <= threshold:
        place = half * (p_cloud / threshold if threshold else 0.0)
        # A score on the threshold is still of the lower half.
        place = min(place, half - 1e-9)
    else:
        place = half + (len(labels) - half) * (p_cloud - threshold) / (1.0 - threshold)
    nearest = min(int(place), len(labels) - 1)
    weights = [
        math.exp(-2.0 * (0.0 if number == nearest else max(abs(number + 0.5 - place), 0.5 + 1e-6)))
        for number in range(len(labels))
    ]
    total = sum(weights)
    return {label: weight / total for label, weight in zip(labels, weights, strict=True)}


def _choice(question: Any, name: str, p_cloud: float, threshold: float) -> dict[str, Any]:
    criteria = question.get("criteria") if isinstance(question, dict) else None
    if not isinstance(criteria, dict) or not criteria or question.get("type") != "choice":
        raise ApiError(400, f"the question {name!r} is not a choice with criteria", param="questions")
    probabilities = tier_probabilities([str(label) for label in criteria], p_cloud, threshold)
    choice = max(probabilities, key=lambda label: probabilities[label])
    return {
        "type": "choice",
        "choice": choice,
        "confidence": probabilities[choice],
        "probabilities": probabilities,
    }


def _request_of(text: str) -> str:
    """Return the request in the text that LiteLLM sends: the rest of that text says nothing about the request."""
    head, found, request = text.partition("\n\nRequest:\n")
    if found and head.startswith("System prompt:\n"):
        text = request
    # The last mark, because the conversation before it may hold others.
    return text.rpartition("\nClassify this message:\n")[2]
