"""A real llama.cpp server behind the gateway, and the campaign of random faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gateway.campaign import run_campaign
from benchmarks.gateway.processes import free_port
from tests.support.gateway import EASY, running
from tests.support.tiny_gguf import write_tiny_gguf
from vibe_router import Router

openai = pytest.importorskip("openai", reason="the openai client is part of the test extra")


@pytest.mark.slow
def test_a_llama_cpp_server_streams_through_the_gateway(nano: Router, tmp_path: Path) -> None:
    xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp's server is part of the test extra")
    model = write_tiny_gguf(tmp_path / "tiny.gguf", nano.bundle.path("tokenizer.json"))
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx = 512
    parameters.n_parallel = 1
    parameters.port = free_port()
    server = xllamacpp.Server(parameters)
    with (
        running(nano, tmp_path, device={"url": server.listening_address + "/v1"}) as gateway,
        openai.OpenAI(base_url=gateway.url + "/v1", api_key="unused", max_retries=0) as client,
    ):
        raw = client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": EASY}], stream=True, max_tokens=8
        )
        chunks = list(raw.parse())
        assert raw.headers["x-vibe-side"] == "device"
        assert any(chunk.choices and chunk.choices[0].finish_reason for chunk in chunks)
        whole = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": EASY}], max_tokens=4)
        assert whole.usage is not None
        assert whole.usage.completion_tokens == gateway.rows()[-1]["output_tokens"]


@pytest.mark.slow
def test_every_request_ends_as_it_must_while_everything_fails(tmp_path: Path) -> None:
    report = run_campaign(tmp_path, requests=600, seed=7)
    assert report.broken_promises == []
    assert report.requests == 600
    assert report.ends["answer"] > 100
    assert report.ends["error event"] > 5
