"""The real LiteLLM: its complexity router with our classifier and over /v1/systemone, its plugins, its streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway import EASY, HARD, Running, running
from vibe_router import Router, Target

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
pytest.importorskip("litellm", reason="LiteLLM is part of the peers extra")


@pytest.fixture(scope="module")
def sides(nano: Router, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(nano, tmp_path_factory.mktemp("gateway")) as started:
        yield started


def deployment(name: str, running: Running, side: str) -> dict[str, Any]:
    # The scripted upstreams stand behind the gateway's names.
    return {
        "model_name": name,
        "litellm_params": {"model": f"openai/{side}", "api_base": running.url + "/v1", "api_key": "unused"},
    }


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def text_of(router: Any, model: str, prompt: str, *, stream: bool) -> str:
    answer = await router.acompletion(model=model, messages=ask(prompt), stream=stream)
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])


def complexity(sides: Running, config: dict[str, Any]) -> Any:
    from litellm import Router as LiteLLMRouter

    tiers = {"SIMPLE": "device", "MEDIUM": "device", "COMPLEX": "cloud", "REASONING": "cloud"}
    return LiteLLMRouter(
        model_list=[
            deployment("device", sides, "device"),
            deployment("cloud", sides, "cloud"),
            {
                "model_name": "auto",
                "litellm_params": {
                    "model": "auto_router/complexity_router",
                    "complexity_router_default_model": "device",
                    "complexity_router_config": {"tiers": tiers, **config},
                },
            },
        ]
    )


@pytest.mark.parametrize("stream", [False, True])
def test_the_complexity_router_asks_our_classifier(sides: Running, stream: bool) -> None:
    from vibe_router.integrations.litellm import Classifier

    async def both() -> list[str]:
        classifier = Classifier(timeout=5.0)
        # LiteLLM waits 3 s for a classifier, and loading is not what is tested.
        await classifier.target(ask("warm"))
        router = complexity(sides, {"classifier_type": "custom", "classifier_plugin": classifier})
        return [await text_of(router, "auto", text, stream=stream) for text in (EASY, HARD)]

    easy, hard = asyncio.run(both())
    assert easy.startswith("device")
    assert hard.startswith("cloud")


def test_the_complexity_routers_own_client_asks_system_one(sides: Running) -> None:
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from litellm.router_strategy.complexity_router.jev_classifier import HttpJevClassifierClient, build_jev_request

    criteria = {"SIMPLE": "short", "MEDIUM": "some", "COMPLEX": "much", "REASONING": "most"}

    async def classify(text: str) -> Any:
        client = HttpJevClassifierClient(None, sides.url, AsyncHTTPHandler())
        request = build_jev_request(text, "You are helpful.", "jev-latest", "How hard is it?", criteria)
        return (await client.evaluate(request, 5.0)).answers["tier"]

    easy, hard = asyncio.run(classify(EASY)), asyncio.run(classify(HARD))
    assert easy.choice in ("SIMPLE", "MEDIUM")
    assert hard.choice in ("COMPLEX", "REASONING")
    for answer in (easy, hard):
        assert set(answer.probabilities) == set(criteria)
        assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_the_complexity_router_routes_over_system_one(sides: Running) -> None:
    async def both() -> list[str]:
        router = complexity(
            sides,
            {
                "classifier_type": "oss_classifier",
                "opensource_classifier_config": {"provider": "jev", "api_base": sides.url, "api_key": "unused"},
            },
        )
        return [await text_of(router, "auto", text, stream=True) for text in (EASY, HARD)]

    easy, hard = asyncio.run(both())
    assert easy.startswith("device")
    assert hard.startswith("cloud")


def test_a_plugin_narrows_one_group_to_a_side(sides: Running) -> None:
    from litellm import Router as LiteLLMRouter

    from vibe_router.integrations.litellm import Narrow

    async def both() -> list[str]:
        group = [deployment("auto", sides, "device"), deployment("auto", sides, "cloud")]
        router = LiteLLMRouter(model_list=group, plugins=[Narrow(timeout=5.0)])
        return [await text_of(router, "auto", text, stream=False) for text in (EASY, HARD) * 3]

    assert [text.split()[0] for text in asyncio.run(both())] == ["device", "cloud"] * 3


def test_the_proxys_hook_renames_auto() -> None:
    from litellm.integrations.custom_logger import CustomLogger

    from vibe_router.integrations.litellm import pre_call

    assert isinstance(pre_call, CustomLogger)

    async def rename(model: str, text: str) -> str:
        data = await pre_call.async_pre_call_hook(None, None, {"model": model, "messages": ask(text)}, "completion")
        return str(data["model"])

    assert asyncio.run(rename("auto", HARD)) == "cloud"
    assert asyncio.run(rename("auto", EASY)) == "device"
    assert asyncio.run(rename("other", HARD)) == "other"


def test_the_proxys_hook_reads_every_kind_of_request() -> None:
    from vibe_router.integrations.litellm import PreCall

    hook = PreCall(timeout=30.0, fallback=Target.DEVICE)

    async def side(**data: object) -> str:
        changed = await hook.async_pre_call_hook(None, None, {"model": "auto", **data}, None)
        return str(changed["model"])

    reasoning = {"type": "reasoning", "summary": []}
    for text, expected in ((HARD, "cloud"), (EASY, "device")):
        for data in ({"input": text}, {"input": [reasoning, *ask(text)]}, {"prompt": text}, {"prompt": [text]}):
            assert asyncio.run(side(**data)) == expected
    # What is no conversation has the fallback.
    for nothing in ({}, {"input": [reasoning]}, {"messages": [3]}, {"prompt": 3}):
        assert asyncio.run(side(**nothing)) == "device"
