"""The status page in a real Chromium: light and dark, wide and narrow, with a token and without."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.browser import browser_or_skip, run_script
from tests.support.gateway import EASY, HARD, Running, running
from vibe_router import Router
from vibe_router_gateway.log.entry import Entry

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("status_page.mjs")
TOKEN = "a-long-enough-token"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return browser_or_skip(tmp_path_factory.mktemp("playwright"))


def send_some(gateway: Running, **headers: str) -> None:
    for text in (EASY, EASY, EASY, HARD):
        assert gateway.chat(text, headers=headers).status_code == 200
    # A model's name comes from a client; it must be shown as text.
    assert gateway.chat(EASY, headers=headers, model="<b>bold</b>").status_code == 404
    gateway.rows()


def test_every_form_shows_the_same_figures(browser: Mapping[str, str], gateway: Running) -> None:
    send_some(gateway)
    seen = json.loads(run_script(browser, SCRIPT, gateway.url + "/"))
    assert [(form["colorScheme"], form["width"]) for form in seen] == [
        ("light", 1280),
        ("light", 360),
        ("dark", 1280),
        ("dark", 360),
    ]
    for form in seen:
        assert form["problems"] == []
        assert form["overflow"] == 0
        assert form["share"] == "75 %"
        assert form["counts"] == "3 device, 1 cloud, 1 without an answer"
        assert "4 requests" in form["would"][0]
        assert form["would"][1].startswith("threshold 0.98: 0.0 %")
        assert form["moved"]
        assert len(form["rows"]) == 5
        assert form["markup"] == 0
    assert len({form["background"] for form in seen}) == 2


def test_what_has_not_ended_is_not_without_an_answer(browser: Mapping[str, str], gateway: Running) -> None:
    send_some(gateway)
    assert gateway.gateway.log is not None
    gateway.gateway.log.add(Entry(id="req_open", time=time.time()))
    gateway.gateway.log.flush()
    seen = json.loads(run_script(browser, SCRIPT, gateway.url + "/"))
    counts = "3 device, 1 cloud, 1 without an answer, 1 that have not ended"
    assert [form["counts"] for form in seen] == [counts] * 4
    assert all(form["problems"] == [] and form["overflow"] == 0 for form in seen)


def test_a_token_is_asked_for(browser: Mapping[str, str], nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, token=TOKEN) as gateway:
        send_some(gateway, authorization=f"Bearer {TOKEN}")
        seen = json.loads(run_script(browser, SCRIPT, gateway.url + "/", TOKEN))
    assert all(form["asked"] and form["share"] == "75 %" for form in seen)
