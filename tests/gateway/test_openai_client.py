"""The real openai client: sync, async, streams, tools, and the errors that it raises."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.gateway.scripted import Way
from tests.support.gateway import EASY, HARD, Running, running
from vibe_router import Router

openai = pytest.importorskip("openai", reason="the openai client is part of the test extra")


@pytest.fixture
def client(gateway: Running) -> Iterator[object]:
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="unused", max_retries=0) as made:
        yield made


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_an_answer_and_the_decision_in_its_headers(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=ask(HARD))
    assert raw.headers["x-vibe-side"] == "cloud"
    assert raw.parse().choices[0].message.content == "cloud answers"


def test_a_stream_with_its_usage(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="auto", messages=ask(EASY), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "device0 device1 device2 "
    assert chunks[-1].usage.total_tokens == 12


def test_an_async_stream(gateway: Running) -> None:
    async def collect() -> str:
        async with openai.AsyncOpenAI(base_url=gateway.url + "/v1", api_key="unused") as client:
            stream = await client.chat.completions.create(model="auto", messages=ask(HARD), stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(collect()) == "cloud0 cloud1 cloud2 "


def test_tools_and_their_results(client: openai.OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
    messages = ask(EASY)
    called = client.chat.completions.create(model="auto", messages=messages, tools=tools).choices[0].message
    assert called.tool_calls[0].function.name == "weather"
    messages += [called.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=messages, tools=tools)
    assert (raw.headers["x-vibe-side"], raw.headers["x-vibe-reason"]) == ("device", "held")


def test_errors_are_the_clients_own(client: openai.OpenAI, gateway: Running) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-nope", messages=ask(EASY))
    assert missing.value.code == "model_not_found"
    assert missing.value.request_id.startswith("req_")
    gateway.device.choose = lambda _: Way.BROKEN
    with pytest.raises(openai.APIError, match="in the middle"):
        list(client.chat.completions.create(model="device", messages=ask(EASY), stream=True))


def test_models_and_embeddings(client: openai.OpenAI) -> None:
    assert "auto" in [model.id for model in client.models.list()]
    made = client.embeddings.create(model="device", input="hi", encoding_format="float")
    assert made.data[0].embedding == [0.25, 0.5]


def test_each_model_of_the_list_is_found_by_its_name(client: openai.OpenAI) -> None:
    for listed in client.models.list():
        assert client.models.retrieve(listed.id) == listed
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("some/other model")
    assert missing.value.code == "model_not_found"


def test_a_token_is_the_clients_key(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, token="a-long-enough-token") as gateway:
        for key, allowed in (("a-long-enough-token", True), ("a-long-enough-tokem", False)):
            with openai.OpenAI(base_url=gateway.url + "/v1", api_key=key, max_retries=0) as client:
                if allowed:
                    assert client.chat.completions.create(model="auto", messages=ask(EASY)).choices
                else:
                    with pytest.raises(openai.AuthenticationError):
                        client.models.list()
