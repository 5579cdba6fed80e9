"""Who may call, and the limits that protect the process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.support.gateway import EASY, Running, read, running
from vibe_router import Router
from vibe_router.errors import UsageError
from vibe_router_gateway import app
from vibe_router_gateway.config.reading import load_settings
from vibe_router_gateway.config.secrets import Secret
from vibe_router_gateway.config.template import write_template

DEVICE = {"device": {"url": "http://127.0.0.1:1/v1"}}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "wrong_host"),
        ({"Origin": "http://evil.example"}, "wrong_origin"),
        ({"Origin": "null"}, "wrong_origin"),
    ],
)
def test_pages_of_other_sites_may_not_call(gateway: Running, headers: dict[str, str], code: str) -> None:
    refused = gateway.chat(EASY, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)
    assert gateway.device.seen == []


def test_this_machine_may_be_named_in_any_letters_or_not_at_all(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway.client.get("/healthz", headers={"Host": "LocalHost:8484"}).status_code == 200
    # A client of HTTP/1.0 names no host, and no name is looked up for it.
    monkeypatch.setattr(socket, "getfqdn", lambda: "another.example")
    with socket.create_connection((gateway.client.base_url.host, gateway.client.base_url.port)) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in client.recv(100)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/chat/completions", {"Host": "evil.example"}, 403),
        ("GET", "/v1/chat/completions", {}, 405),
        ("GET", "/v1/nothing", {}, 404),
        ("POST", "/v1/decision", {}, 400),
        ("POST", "/v1/chat/completions", {"Expect": "a miracle"}, 417),
        ("GET", "/v1/models", {"Expect": "a miracle"}, 417),
        ("GET", "/v1/models", {"Expect": "100-Continue"}, 200),
        ("GET", "/v1/models", {}, 200),
    ],
)
def test_every_answer_has_an_id_whoever_gives_it(
    gateway: Running, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answers = [gateway.client.request(method, path, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, status]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(name.startswith("req_") for name in ids)
    assert all(("error" in answer.json()) == (status != 200) for answer in answers)
    assert (answers[0].headers.get("allow") == "POST") == (status == 405)


def test_a_request_that_the_gateway_fails_has_the_id_of_its_row(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaking(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "read_asked", breaking)
    answer = gateway.chat(EASY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert answer.headers["x-request-id"] == gateway.rows()[-1]["id"]
    assert "ZeroDivisionError" in caplog.text


def test_a_named_origin_may_call_and_read(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, server={"cors_origins": ["http://app.example"]}) as gateway:
        answer = gateway.chat(EASY, headers={"Origin": "http://app.example"})
        assert answer.headers["access-control-allow-origin"] == "http://app.example"
        asked = gateway.client.options("/v1/chat/completions", headers={"Origin": "http://app.example"})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "http://app.example")


def test_a_page_that_may_call_can_read_a_stream_too(nano: Router, tmp_path: Path) -> None:
    page = {"Origin": "http://app.example"}
    with running(nano, tmp_path, server={"cors_origins": [page["Origin"]]}) as gateway:
        streamed = gateway.chat(EASY, stream=True, headers=page)
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert streamed.headers["access-control-allow-origin"] == page["Origin"]
        assert "x-vibe-faults" in streamed.headers["access-control-expose-headers"]
        assert "access-control-allow-origin" not in gateway.chat(EASY, stream=True).headers


def test_a_page_may_send_the_headers_of_openais_client(nano: Router, tmp_path: Path) -> None:
    page = {"Origin": "http://app.example", "Access-Control-Request-Headers": "authorization,x-stainless-lang"}
    with running(nano, tmp_path, server={"cors_origins": [page["Origin"]]}) as gateway:
        asked = gateway.client.options("/v1/chat/completions", headers=page)
        assert "x-stainless-lang" in asked.headers["access-control-allow-headers"]


def test_a_body_that_is_too_large_is_refused(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, limits={"body_bytes": 2000}) as gateway:
        assert gateway.chat("x" * 3000).json()["error"]["code"] == "body_too_large"
        chunks = iter([b"x" * 1500] * 2)
        assert gateway.client.post("/v1/chat/completions", content=chunks).status_code == 413


def test_the_token_guards_all_but_health(nano: Router, tmp_path: Path) -> None:
    with running(nano, tmp_path, token="a-long-enough-token") as gateway:
        for path in ("/v1/models", "/metrics", "/v1/vibe/status", "/readyz"):
            assert gateway.client.get(path).status_code == 401
        assert gateway.client.post("/admin/reload").status_code == 401
        assert gateway.client.get("/healthz").status_code == 200
        allowed = {"Authorization": "Bearer a-long-enough-token"}
        assert gateway.client.get("/v1/models", headers=allowed).status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost:3000", "app://obsidian.md", "null", "http://[::1]:3000"])
def test_an_origin_is_written_as_a_browser_sends_it(origin: str) -> None:
    assert read({**DEVICE, "server": {"cors_origins": [origin]}}).server.cors_origins == (origin,)


def test_other_addresses_need_a_token() -> None:
    with pytest.raises(UsageError, match="no token"):
        read({**DEVICE, "server": {"host": "0.0.0.0"}})
    assert read({**DEVICE, "server": {"host": "0.0.0.0"}}, "a-long-enough-token").token is not None


def test_a_token_is_one_that_clients_can_send() -> None:
    named = {**DEVICE, "server": {"token_env": "MY_TOKEN"}}
    for token in (" a-long-enough-token\n", "a-long-enough-token"):
        for settings in (
            load_settings(None, options=DEVICE, token=token, environment={}),
            load_settings(None, options=named, environment={"MY_TOKEN": token}),
        ):
            assert settings.token is not None
            assert settings.token.matches("a-long-enough-token")
    for token in ("short", " " * 20, "ein-schlüssel-mit-umlaut", "a-long-enough\ntoken"):
        with pytest.raises(UsageError):
            load_settings(None, options=DEVICE, token=token, environment={})
        with pytest.raises(UsageError):
            load_settings(None, options=named, environment={"MY_TOKEN": token})


def test_keys_come_from_variables_and_are_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[cloud]\nurl = "https://cloud.example/v1"\nkey_env = "MY_KEY"\n')
    settings = load_settings(file, environment={"MY_KEY": "sk-very-secret"})
    (upstream,) = settings.upstreams
    assert upstream.key is not None
    assert upstream.key.reveal() == "sk-very-secret"
    assert "sk-very-secret" not in repr(settings)
    assert repr(Secret("x")) == "Secret(***)"
    with pytest.raises(UsageError, match="MY_KEY is not set"):
        load_settings(file, environment={})
    file.write_text('[cloud]\nurl = "https://cloud.example/v1"\nkey = "sk-very-secret"\n')
    with pytest.raises(UsageError) as refused:
        load_settings(file, environment={})
    assert "secret" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "[devise]\n",
        '[device]\nurl = "http://127.0.0.1:1/v1"\nmodle = "x"\n',
        '[device]\nurl = "127.0.0.1"\n',
        '[device]\nurl = "http://127.0.0.1:1/v1"\ntools = 1\n',
        '[device]\nurl = "http://127.0.0.1:1/v1"\nidle_s = -1\n',
        '[device]\nurl = "http://me:pass@127.0.0.1:1/v1"\n',
        '[device]\nurl = "http://127.0.0.1:1/v1"\n[faults]\ndevice_to_cloud = ["conect"]\n',
        # Without prices nothing would ever be spent.
        '[cloud]\nurl = "http://127.0.0.1:1/v1"\n[budget]\nmoney = 5\n',
        "not toml",
        "",
    ],
)
def test_wrong_settings_are_named_with_a_hint(tmp_path: Path, text: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        load_settings(file, environment={})
    assert refused.value.hint


def test_the_written_file_is_read_and_the_environment_overrides_it(tmp_path: Path) -> None:
    file = write_template(tmp_path / "new" / "gateway.toml")
    settings = load_settings(file, environment={"VIBE_SERVER_PORT": "1234", "VIBE_DEVICE_VISION": "yes"})
    assert (settings.server.port, settings.device.vision) == (1234, True)
    assert settings.upstreams[0].settings.url == "http://127.0.0.1:11434/v1"
    with pytest.raises(UsageError, match="exists"):
        write_template(file)


@pytest.mark.parametrize(
    "lines",
    [
        "[server]\nport = 0x" + "f" * 6000,
        "[server]\nport = " + "9" * 400,
        "[budget]\nmoney = " + "9" * 400,
        '[log]\npath = "a\\u0000b"',
        '[device]\nurl = "http://["',
        '[device]\nurl = "http://host:99999/v1"',
        '[device]\nurl = "http://host:port/v1"',
        '[device]\nurl = "http://\u212a\uff0f.example/v1"',
        '[device]\nurl = "http://127.0.0.1\\n/v1"',
        '[device]\nheaders = {a = "x\\r\\ny: z"}',
        '[device]\nheaders = {"a\\nb" = "x"}',
        '[device]\nheaders = {"" = "x"}',
        '[device]\nheaders = {"a: b" = "x"}',
        '[device]\nkey_header = "x y"',
        '[server]\ncors_origins = ["a\\r\\nb"]',
        '[server]\ncors_origins = ["*"]',
        '[server]\ncors_origins = ["http://localhost:3000/"]',
        '[server]\ncors_origins = ["localhost:3000"]',
    ],
)
def test_a_file_of_nonsense_is_a_typed_error(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'cloud.url = "http://127.0.0.1:1/v1"\n{lines}\n', encoding="utf-8")
    with pytest.raises(UsageError):
        load_settings(file, environment={})
