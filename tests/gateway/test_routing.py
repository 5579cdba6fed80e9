from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gateway.scripted import Way
from tests.support.gateway import EASY, HARD, Running, running
from vibe_router import Router
from vibe_router_gateway.budget import Budget
from vibe_router_gateway.config.settings import BudgetSettings


@pytest.mark.parametrize(("text", "side"), [(EASY, "device"), (HARD, "cloud")])
@pytest.mark.parametrize("stream", [False, True])
def test_auto_goes_where_the_score_says_and_the_headers_tell(
    gateway: Running, text: str, side: str, stream: bool
) -> None:
    answer = gateway.chat(text, stream=stream)
    assert answer.status_code == 200
    assert f"{side}0" in answer.text if stream else f"{side} answers" in answer.text
    told = answer.headers
    assert (told["x-vibe-target"], told["x-vibe-side"], told["x-vibe-reason"]) == (side, side, "score")
    assert (float(told["x-vibe-p-cloud"]) > float(told["x-vibe-threshold"])) == (side == "cloud")
    assert told["x-request-id"].startswith("req_")
    (row,) = gateway.rows()
    assert (row["id"], row["target"], row["outcome"]) == (told["x-request-id"], side, "answered")
    assert row["scorer"] is not None
    assert row["held_out"] in (0, 1)


def test_the_body_is_passed_on_byte_for_byte_but_for_the_model(gateway: Running) -> None:
    body = (
        b'{ "messages":[{"role":"user","content":"hi \\u00e4 \\/ \xc3\xa4"}],\n "model" : "auto"  , "x":'
        b'{"model":"auto"},"seed":12345678901234567890, "t":1.10,"tools":[] }'
    )
    headers = {"Content-Type": "application/json", "Authorization": "Bearer client-key", "Cookie": "a=b"}
    assert gateway.client.post("/v1/chat/completions", content=body, headers=headers).status_code == 200
    (seen,) = gateway.device.seen
    assert seen.body == body.replace(b'"model" : "auto"', b'"model" : "device-model"')
    # The client's key is the gateway's, not the upstream's.
    assert not {"Authorization", "Cookie"} & set(seen.headers)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_example_with_curl_sends_any_text(gateway: Running) -> None:
    script = Path(__file__).parents[2] / "examples" / "gateway" / "stream.sh"
    for text in ('say "hi" \\ now', "$HOME `ls` $(ls) 'x' é 你好", "two\nlines"):
        answer = subprocess.run(
            ["sh", script, text], capture_output=True, check=True, env={**os.environ, "GATEWAY": gateway.url}
        )
        assert answer.stdout.endswith(b"data: [DONE]\n\n")
        seen = max(gateway.device.seen + gateway.cloud.seen, key=lambda one: one.at)
        (message,) = seen.fields["messages"]
        assert message["content"] == text.replace("\n", " ")


def test_a_side_is_told_of_json_and_of_the_settings_headers_once(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, device={"headers": {"Accept": "text/plain"}}) as gateway:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert gateway.chat(EASY, headers=form).status_code == 200
        heads = gateway.device.seen[-1].raw_headers
        for name, value in (("content-type", "application/json"), ("accept", "text/plain")):
            assert [found for given, found in heads if given.lower() == name] == [value]


def test_a_named_side_is_obeyed_and_not_scored(gateway: Running) -> None:
    for model, side, asked in (
        ("cloud", "cloud", "cloud-model"),
        ("device", "device", "device-model"),
        ("cloud/other", "cloud", "other"),
        ("device-model", "device", "device-model"),
    ):
        answer = gateway.chat(HARD, model=model)
        assert answer.headers["x-vibe-side"] == side
        assert answer.headers["x-vibe-reason"] == "model"
        assert "x-vibe-p-cloud" not in answer.headers
        upstream = gateway.device if side == "device" else gateway.cloud
        assert upstream.seen[-1].fields["model"] == asked


def test_a_profile_is_part_of_the_models_name(gateway: Running) -> None:
    assert (
        gateway.chat(HARD, model="auto:aggressive").headers["x-vibe-threshold"]
        != gateway.chat(HARD).headers["x-vibe-threshold"]
    )
    unknown = gateway.chat(HARD, model="auto:agressive")
    assert unknown.status_code == 400
    assert "aggressive" in unknown.json()["error"]["message"]


def test_models_lists_what_may_be_asked_for(gateway: Running) -> None:
    names = [item["id"] for item in gateway.client.get("/v1/models").json()["data"]]
    assert names[0] == "auto"
    assert {"auto:balanced", "device", "cloud", "device-model", "cloud-model"} <= set(names)


@pytest.mark.parametrize("value", ["no", "false", "0"])
def test_a_forbidden_cloud_is_never_asked(gateway: Running, value: str) -> None:
    by_header = gateway.chat(HARD, headers={"x-vibe-allow-cloud": value})
    by_metadata = gateway.chat(HARD, metadata={"vibe_allow_cloud": value})
    both = gateway.chat(HARD, metadata={"vibe_allow_cloud": value}, headers={"x-vibe-allow-cloud": "yes"})
    for answer in (by_header, by_metadata, both):
        assert (answer.headers["x-vibe-side"], answer.headers["x-vibe-reason"]) == ("device", "pinned")
    refused = gateway.chat(HARD, model="cloud", headers={"x-vibe-allow-cloud": value})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cloud_forbidden")
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    refused = gateway.chat(HARD, messages=[{"role": "user", "content": picture}], metadata={"vibe_allow_cloud": value})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cloud_forbidden")
    assert gateway.cloud.seen == []


def test_a_word_that_neither_allows_nor_forbids_is_refused(gateway: Running) -> None:
    assert gateway.chat(EASY, headers={"x-vibe-allow-cloud": "maybe"}).status_code == 400
    for word in (None, [], ["no"], {}, 2, 0.5, ""):
        assert gateway.chat(EASY, metadata={"vibe_allow_cloud": word}).status_code == 400
    for metadata in ([{"vibe_allow_cloud": "no"}], "vibe_allow_cloud=no", '{"vibe_allow_cloud": "no"}', 0, False):
        assert gateway.chat(EASY, metadata=metadata).json()["error"]["param"] == "metadata"
    assert gateway.device.seen == []
    assert gateway.chat(EASY, metadata=None).status_code == 200


@pytest.mark.parametrize("name", ["Vibe_Allow_Cloud", "vibe-allow-cloud", "x-vibe-allow-cloud", " VIBE_ALLOW_CLOUD "])
def test_the_cloud_is_forbidden_in_any_letters(gateway: Running, name: str) -> None:
    in_metadata = gateway.chat(HARD, model="cloud", metadata={name: "no", "vibe_allow_cloud": "yes"})
    # As `extra_body` of OpenAI's client puts it.
    in_body = gateway.chat(HARD, model="cloud", **{name: False})
    in_header = gateway.chat(HARD, model="cloud", headers={name.strip(): "no"})
    for refused in (in_metadata, in_body, in_header):
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cloud_forbidden")
    assert gateway.cloud.seen == []


@pytest.mark.parametrize("words", [("yes", "no"), ("no", "yes"), ("on", "yes", "OFF")])
def test_one_of_several_headers_is_enough_to_forbid_the_cloud(gateway: Running, words: tuple[str, ...]) -> None:
    body = {"model": "cloud", "messages": [{"role": "user", "content": HARD}]}
    headers = [("X-Vibe-Allow-Cloud", word) for word in words]
    refused = gateway.client.post("/v1/chat/completions", json=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cloud_forbidden")
    assert gateway.cloud.seen == []


@pytest.mark.parametrize(
    "fields",
    [
        '"metadata": {"vibe_allow_cloud": "no"}, "metadata": {}',
        '"metadata": {"vibe_allow_cloud": "no", "vibe_allow_cloud": "yes"}',
        '"metadata": {"vibe_allow_cloud": "no", "vibe_allow_clo\\u0075d": "yes"}',
        '"model": "device"',
    ],
)
def test_a_body_that_can_be_read_in_two_ways_is_refused(gateway: Running, fields: str) -> None:
    body = '{"model": "cloud", "messages": [{"role": "user", "content": "hi"}], ' + fields + "}"
    refused = gateway.client.post("/v1/chat/completions", content=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_json")
    assert gateway.cloud.seen == []


def test_needs_go_to_the_side_that_has_them(nano: Router, tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    picture = [
        {"type": "text", "text": EASY},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    with running(nano, tmp_path, device={"tools": False, "context_tokens": 2000}) as gateway:
        for answer in (
            gateway.chat(EASY, tools=tools),
            gateway.chat(EASY, messages=[{"role": "user", "content": picture}]),
            gateway.chat(EASY * 6000),
        ):
            assert (answer.headers["x-vibe-side"], answer.headers["x-vibe-reason"]) == ("cloud", "required")
        assert gateway.chat(EASY).headers["x-vibe-side"] == "device"


def test_functions_are_the_first_form_of_tools(gateway: Running) -> None:
    messages = [
        {"role": "user", "content": EASY},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": HARD},
    ]
    answer = gateway.chat(messages=messages)
    assert (answer.headers["x-vibe-side"], answer.headers["x-vibe-reason"]) == ("device", "held")
    assert json.loads(gateway.device.seen[-1].body)["messages"] == messages


def test_the_budget_turns_cloud_into_device(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, budget={"requests": 2}) as gateway:
        sides = [gateway.chat(HARD).headers["x-vibe-side"] for _ in range(3)]
        assert sides == ["cloud", "cloud", "device"]
        assert gateway.rows()[-1]["reason"] == "budget"
        refused = gateway.chat(HARD, model="cloud")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_spent")
        assert refused.headers["x-should-retry"] == "false"


def test_requests_that_come_together_share_one_budget(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, budget={"requests": 1}) as gateway:
        long = "Design a distributed consensus algorithm with proofs of safety and liveness. " * 10
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda number: gateway.chat(f"{long}{number}"), range(6)))
        assert sorted(answer.headers["x-vibe-side"] for answer in answers) == ["cloud", *["device"] * 5]
        assert len(gateway.cloud.seen) == 1


def test_a_clock_that_is_put_back_over_midnight_gives_no_second_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(BudgetSettings(requests=1))
    left = []
    for now in (86399.0, 86401.0, 86399.0, 86401.0, 86400.0 * 2):
        monkeypatch.setattr("time.time", lambda now=now: now)
        left.append(budget.left(0.0))
        if left[-1]:
            budget.reserve(0.0)
    assert left == [True, True, False, False, True]


def test_money_is_counted_by_the_price_table(nano: Router, tmp_path: Path) -> None:
    prices = {"input_price": 1e5, "output_price": 2e5}
    with running(nano, tmp_path, cloud=prices, budget={"money": 10.0}) as gateway:
        assert gateway.chat(HARD, max_tokens=1).headers["x-vibe-side"] == "cloud"
        # 7 tokens in, 5 out.
        assert gateway.rows()[0]["cost"] == pytest.approx(1.7)
        assert gateway.gateway.budget.money == pytest.approx(1.7)
        assert gateway.chat(HARD, max_tokens=1000).headers["x-vibe-reason"] == "budget"
        assert gateway.chat(HARD, max_tokens=1, n=1000).headers["x-vibe-reason"] == "budget"
        assert gateway.chat(HARD, max_tokens=1, n=10**400).headers["x-vibe-reason"] == "budget"
        assert gateway.chat(HARD, max_tokens=1, n=-3).headers["x-vibe-side"] == "cloud"


def test_a_refusal_of_a_side_costs_nothing(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, cloud={"input_price": 1e5}, budget={"money": 1000.0}) as gateway:
        gateway.cloud.choose = lambda _: Way.BAD_REQUEST
        assert gateway.chat(HARD).status_code == 400
        (row,) = gateway.rows()
        assert (row["cost"], row["input_tokens"], gateway.gateway.budget.money) == (0, 0, pytest.approx(0))


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"{", 400, None),
        (b"\xff", 400, None),
        (b"[]", 400, None),
        (b"{}", 400, "model"),
        (b'{"model": "auto"}', 400, "messages"),
        (b'{"model": "auto", "messages": [], "stream": 1}', 400, "stream"),
        (b'{"model": "gpt-nope", "messages": [{"role": "user", "content": "hi"}]}', 404, "model"),
        (b'{"model": "auto", "messages": [{"role": "nobody", "content": "hi"}]}', 400, "messages"),
    ],
)
def test_errors_have_openais_form(gateway: Running, body: bytes, status: int, param: str | None) -> None:
    answer = gateway.client.post("/v1/chat/completions", content=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["param"] == param
    assert answer.headers["x-request-id"].startswith("req_")
    assert gateway.rows()[-1]["outcome"] == "refused"


def test_embeddings_and_completions_go_to_the_side_that_the_name_says(gateway: Running) -> None:
    made = gateway.client.post("/v1/embeddings", json={"model": "cloud-model", "input": "hi"})
    assert made.json()["data"][0]["embedding"] == [0.25, 0.5]
    assert len(gateway.cloud.seen) == 1
    assert gateway.client.post("/v1/completions", json={"model": "device", "prompt": "hi"}).status_code == 200
    assert gateway.client.post("/v1/responses", json={"model": "auto", "input": HARD}).status_code == 200
    assert [json.loads(seen.body)["model"] for seen in gateway.cloud.seen] == ["cloud-model", "cloud-model"]


def test_several_prompts_of_one_completion_are_routed_together(gateway: Running) -> None:
    for prompts, side in (([EASY, EASY], "device"), ([EASY, HARD], "cloud")):
        answer = gateway.client.post("/v1/completions", json={"model": "auto", "prompt": prompts})
        assert (answer.status_code, answer.headers["x-vibe-side"]) == (200, side)
    numbers = gateway.client.post("/v1/completions", json={"model": "auto", "prompt": [1, 2]})
    assert (numbers.status_code, numbers.json()["error"]["param"]) == (400, "model")


@pytest.mark.parametrize("side", ["device", "cloud"])
def test_embeddings_of_a_name_that_nobody_lists_go_to_the_side_of_the_settings(
    nano: Router, tmp_path: Path, side: str
) -> None:
    with running(nano, tmp_path) as gateway:
        gateway.gateway.live.settings = replace(gateway.gateway.live.settings, embeddings=side)
        made = gateway.client.post("/v1/embeddings", json={"model": "embed-small", "input": EASY})
        assert (made.status_code, made.headers.get("x-vibe-side")) == (200, side)
        assert gateway.chat(EASY, model="embed-small").status_code == 404
        forbidden = gateway.client.post(
            "/v1/embeddings", json={"model": "embed-small", "input": EASY}, headers={"x-vibe-allow-cloud": "no"}
        )
        assert forbidden.status_code == (403 if side == "cloud" else 200)
