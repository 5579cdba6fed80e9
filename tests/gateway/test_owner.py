"""Decisions without answers, feedback, figures, reload, and calibration from the log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gateway.scripted import Way
from tests.support.gateway import EASY, HARD, Running, read, running
from vibe_router import Router, Target
from vibe_router_gateway.endpoints.decisions import tier_probabilities
from vibe_router_gateway.log.rows import iterate_scores


def test_a_decision_is_what_chat_would_do_and_asks_nobody(gateway: Running) -> None:
    for text, first in ((EASY, "device"), (HARD, "cloud")):
        told = gateway.client.post("/v1/decision", json={"messages": [{"role": "user", "content": text}]}).json()
        assert told["target"] == first
        assert [item["side"] for item in told["tries"]] == [first, "cloud" if first == "device" else "device"]
        assert (told["p_cloud"] > told["threshold"]) == (first == "cloud")
        assert gateway.chat(text).headers["x-vibe-p-cloud"] == f"{told['p_cloud']:.6f}"
    assert len(gateway.rows()) == 2


def test_a_decision_without_a_model_counts_the_same_context(gateway: Running) -> None:
    body = {"messages": [{"role": "user", "content": "你好世界" * 500}]}
    told = [
        gateway.client.post("/v1/decision", content=json.dumps(asked, ensure_ascii=False).encode()).json()
        for asked in (body, {**body, "model": "auto"})
    ]
    assert told[0]["requires"] == told[1]["requires"]
    assert told[0]["requires"]["context_tokens"] < 2000


def test_a_choice_about_no_text_is_refused(gateway: Running) -> None:
    body = {"questions": {"tier": {"type": "choice", "criteria": {"SIMPLE": "", "COMPLEX": ""}}}}
    for refused in (gateway.client.post("/v1/systemone", json={**body, **more}) for more in ({}, {"state": None})):
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "state")


def test_a_decision_is_refused_as_a_chat_is(gateway: Running) -> None:
    messages = [{"role": "user", "content": HARD}]
    body = {"model": "cloud", "messages": messages, "metadata": {"vibe_allow_cloud": "no"}}
    refused = gateway.client.post("/v1/decision", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cloud_forbidden")


def test_a_forbidden_cloud_gets_the_simplest_label(nano: Router, tmp_path: Path) -> None:
    criteria = {"SIMPLE": "", "COMPLEX": ""}
    body = {"state": HARD, "questions": {"tier": {"type": "choice", "criteria": criteria}}}

    def choice(gateway: Running, **headers: str) -> object:
        told = gateway.client.post("/v1/systemone", json=body, headers=headers)
        return told.json()["answers"]["tier"]["choice"]

    with running(nano, tmp_path) as gateway:
        assert choice(gateway) == "COMPLEX"
        assert choice(gateway, **{"x-vibe-allow-cloud": "no"}) == "SIMPLE"
    with running(nano, tmp_path, router={"allow_cloud": False}) as gateway:
        assert choice(gateway) == "SIMPLE"


def test_a_side_that_asked_to_be_left_alone_is_so_after_a_reload(gateway: Running) -> None:
    gateway.device.choose, gateway.device.retry_after = lambda _: Way.RATE_LIMITED, "60"
    assert gateway.chat(EASY, model="device").status_code == 429
    assert gateway.client.post("/admin/reload").status_code == 200
    assert gateway.chat(EASY, model="device").status_code == 429
    assert len(gateway.device.seen) == 1
    before = gateway.gateway._read_settings
    assert before is not None
    settings = before()
    moved = [
        replace(item, settings=replace(item.settings, url=item.settings.url + "/other")) for item in settings.upstreams
    ]
    gateway.gateway._read_settings = lambda: replace(settings, upstreams=tuple(moved))
    gateway.client.post("/admin/reload")
    assert gateway.gateway.live.resting_s(Target.DEVICE) == 0


@pytest.mark.parametrize(("context", "choice"), [(0, "SIMPLE"), (8192, "COMPLEX")])
def test_a_long_text_is_too_much_only_for_the_context_of_the_settings(
    nano: Router, tmp_path: Path, context: int, choice: str
) -> None:
    criteria = {"SIMPLE": "", "COMPLEX": ""}
    body = {"state": "hi " * 20_000, "questions": {"tier": {"type": "choice", "criteria": criteria}}}
    with running(nano, tmp_path, device={"context_tokens": context}, router={"timeout_s": 30.0}) as gateway:
        told = gateway.client.post("/v1/systemone", json=body).json()
    assert told["answers"]["tier"]["choice"] == choice


def test_many_labels_cost_no_more_than_their_number() -> None:
    found = tier_probabilities([str(number) for number in range(200_000)], 0.7, 0.6)
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_the_upper_tiers_are_the_scores_above_the_threshold(count: int) -> None:
    labels = [str(number) for number in range(count)]
    best = []
    for score in (0.0, 0.3, 0.6, 0.6000001, 0.8, 1.0):
        found = tier_probabilities(labels, score, 0.6)
        assert sum(found.values()) == pytest.approx(1)
        best.append(int(max(found, key=lambda label: found[label])))
    assert best == sorted(best)
    assert best[2] < (count + 1) // 2 <= max(best[3], (count + 1) // 2)
    assert best[-1] == count - 1


def test_feedback_is_kept_and_becomes_a_label(gateway: Running) -> None:
    ids = [gateway.chat(text).headers["x-request-id"] for text in (EASY, HARD)]
    assert gateway.client.post("/v1/feedback", json={"id": ids[1], "better": "cloud"}).status_code == 200
    assert gateway.client.post("/v1/feedback", json={"id": ids[0], "better": "both"}).status_code == 400
    assert gateway.client.post("/v1/feedback", json={"id": "x", "better": "same"}).status_code == 400
    rows = gateway.rows()
    found = list(iterate_scores(gateway.log, scorer=rows[0]["scorer"]))
    assert [row.better for row in found] == [None, "cloud"]
    assert [row.p_cloud for row in found] == [row["p_cloud"] for row in rows]
    assert list(iterate_scores(gateway.log, scorer="another model")) == []


def test_the_status_tells_todays_use_where_nobody_has_asked_since_midnight(gateway: Running) -> None:
    gateway.chat(HARD)
    used = gateway.client.get("/v1/vibe/status").json()["budget"]
    gateway.gateway.budget.day -= 1
    later = gateway.client.get("/v1/vibe/status").json()["budget"]
    assert (used["requests"], later["requests"]) == (1, 0)


def test_the_status_counts_the_requests_of_others(gateway: Running) -> None:
    assert gateway.client.get("/v1/vibe/status").json()["open_requests"] == 0
    gateway.device.choose = lambda _: Way.NEVER
    body = {"model": "device", "stream": True, "messages": [{"role": "user", "content": EASY}]}
    with gateway.client.stream("POST", "/v1/chat/completions", json=body):
        assert gateway.client.get("/v1/vibe/status").json()["open_requests"] == 1


def test_status_has_figures_and_no_text(gateway: Running) -> None:
    gateway.chat("a very private matter of mine")
    gateway.rows()
    answer = gateway.client.get("/v1/vibe/status")
    told = answer.json()
    assert sum(row["n"] for row in told["log"]["today"]) == 1
    assert sum(told["log"]["histogram"]) == 1
    assert "private" not in answer.text
    assert b"private" not in gateway.log.read_bytes()
    page = gateway.client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "vibe-router" in page.text
    assert 'vibe_requests_total{outcome="answered"' in gateway.client.get("/metrics").text
    assert gateway.client.get("/readyz").json()["status"] == "ready"


def test_a_reload_changes_later_requests_and_keeps_what_runs(gateway: Running) -> None:
    gateway.device.pause_s = 0.2
    with gateway.client.stream(
        "POST",
        "/v1/chat/completions",
        json={"model": "auto", "stream": True, "messages": [{"role": "user", "content": EASY}]},
    ) as answer:
        before = gateway.gateway.live
        assert gateway.client.post("/admin/reload").json()["reloaded"] is True
        assert gateway.gateway.live is not before
        assert answer.read().endswith(b"data: [DONE]\n\n")
    assert gateway.chat(HARD).headers["x-vibe-side"] == "cloud"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("server", "host", "127.0.0.2"), ("server", "port", 1), ("log", "path", "x.sqlite3"), ("limits", "drain_s", 9.0)],
)
def test_a_reload_refuses_what_was_opened_at_the_start(gateway: Running, section: str, key: str, value: object) -> None:
    before = gateway.gateway.live.settings
    changed = replace(before, **{section: replace(getattr(before, section), **{key: value})})
    gateway.gateway._read_settings = lambda: changed
    refused = gateway.client.post("/admin/reload")
    assert (refused.status_code, f"{section}.{key}" in refused.text) == (422, True)
    assert gateway.gateway.live.settings is before


def test_a_reload_opens_no_socket_to_others_without_a_token(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, token="a-long-enough-token", server={"host": "0.0.0.0"}) as gateway:
        local = read({"device": {"url": gateway.gateway.live.settings.device.url}, "server": {"port": 0}})
        gateway.gateway._read_settings = lambda: local
        gateway.client.post("/admin/reload", headers={"Authorization": "Bearer a-long-enough-token"})
        assert gateway.client.get("/v1/models", headers={"Host": "localhost"}).status_code == 401
