"""`vibe-router serve` as a process: its first file, its check of both sides, its signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.gateway.processes import free_port
from tests.support.gateway import EASY, Running

KEY = "sk-very-secret-1234"
CHAT = "/v1/chat/completions"


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vibe_router_tools", "serve", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, check=False
    )


@contextmanager
def process(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    port = free_port()
    command = [sys.executable, "-m", "vibe_router_tools", "serve", "--no-log", "--port", str(port), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}) as running:
        try:
            assert running.stderr is not None
            assert b"vibe-router serves" in running.stderr.readline()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield running, client
        finally:
            running.kill()


def sides(gateway: Running) -> tuple[str, str]:
    found = [upstream.settings.url for upstream in gateway.gateway.live.settings.upstreams]
    return found[0], found[1]


def test_init_writes_a_file_that_serves_and_overwrites_none(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    assert run("--init", "--config", str(file)).returncode == 0
    written = file.read_text()
    assert 'url = "http://127.0.0.1:11434/v1"' in written
    again = run("--init", "--config", str(file))
    assert (again.returncode, "name another" in again.stderr) == (2, True)
    assert file.read_text() == written
    # Nobody answers there, and that is what the check finds; the file itself is right.
    checked = run("--check", "--config", str(file), "--device", f"http://127.0.0.1:{free_port()}/v1")
    assert checked.returncode == 1
    assert "no connection" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--device", "http://127.0.0.1:1/v1", "--cloud-model", "m", "--cloud-key-env", "K"), "give --cloud its url"),
        (("--cloud", "http://127.0.0.1:1/v1", "--device-model", "m"), "give --device its url"),
        (("--device", "http://127.0.0.1:1/v1", "--no-log", "--log", "log.sqlite3"), "leave one of them out"),
        (("--init", "--device", "http://127.0.0.1:1/v1"), "edit the file"),
        (("--init", "--check"), "edit the file"),
    ],
)
def test_no_option_is_taken_and_ignored(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    file = tmp_path / "gateway.toml"
    if "--init" not in arguments:
        file.write_text("")
    # Nothing of this listens: whoever ignores the option ends at this check of both sides.
    refused = run(*arguments, "--config", str(file), *(() if "--init" in arguments else ("--check",)))
    assert (refused.returncode, told in " ".join(refused.stderr.split())) == (2, True)
    assert "--init" not in arguments or not file.exists()


def test_a_port_that_is_taken_is_one_error(gateway: Running) -> None:
    port = gateway.url.rpartition(":")[2]
    refused = run("--no-log", "--port", port, "--device", sides(gateway)[0])
    assert refused.returncode == 2
    assert [line.partition(":")[0] for line in refused.stderr.splitlines()] == ["error", "hint"]


@pytest.mark.skipif(not socket.has_ipv6, reason="this system has no IPv6")
def test_an_address_of_ipv6_is_told_as_a_url(gateway: Running) -> None:
    command = [sys.executable, "-m", "vibe_router_tools", "serve", "--no-log", "--host", "::1", "--port", "0"]
    with subprocess.Popen([*command, "--device", sides(gateway)[0]], stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr is not None
            assert running.stderr.readline().startswith("vibe-router serves http://[::1]:")
        finally:
            running.kill()


def test_check_says_what_the_sides_are_and_never_a_key(gateway: Running) -> None:
    device, cloud = sides(gateway)
    arguments = ["--device", device, "--cloud", cloud, "--cloud-key-env", "A_KEY"]
    checked = run("--check", *arguments, environment={"A_KEY": KEY})
    assert checked.returncode == 0
    assert "device-model" in checked.stdout
    assert KEY not in checked.stdout + checked.stderr
    unset = run("--check", *arguments, environment={"A_KEY": ""})
    assert unset.returncode != 0
    assert "A_KEY" in unset.stderr


def test_a_key_of_the_keychain_reaches_its_side_and_nothing_else(gateway: Running, tmp_path: Path) -> None:
    device, cloud = sides(gateway)
    file = tmp_path / "gateway.toml"
    file.write_text(f'[device]\nurl = "{device}"\n[cloud]\nurl = "{cloud}"\nkey_keyring = "openai/me"\n')
    # A real keychain that needs no desktop; it keeps its file below XDG_DATA_HOME.
    keychain = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring", "XDG_DATA_HOME": str(tmp_path)}
    missing = run("--check", "--config", str(file), environment=keychain)
    assert (missing.returncode, "keyring set openai me" in missing.stderr) == (2, True)
    command = [sys.executable, "-m", "keyring", "set", "openai", "me"]
    subprocess.run(command, input=KEY, text=True, env={**os.environ, **keychain}, check=True)
    checked = run("--check", "--config", str(file), environment=keychain)
    assert (checked.returncode, KEY in checked.stdout + checked.stderr) == (0, False)
    with process("--config", str(file), environment=keychain) as (running, client):
        body = {"model": "cloud", "messages": [{"role": "user", "content": EASY}]}
        answer = client.post(CHAT, json=body)
        running.terminate()
        assert running.stderr is not None
        printed = running.stderr.read().decode()
    assert gateway.cloud.seen[-1].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in printed + answer.text + str(answer.headers)


def test_a_keychain_that_fails_is_an_error_with_a_hint(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[device]\nurl = "http://127.0.0.1:9/v1"\nkey_keyring = "openai/me"\n')
    refused = run(
        "--check", "--config", str(file), environment={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    )
    assert (refused.returncode, "unlock it, or use key_env" in refused.stderr) == (2, True)


@pytest.mark.slow
def test_a_hangup_reads_the_settings_again_and_wrong_ones_are_refused(gateway: Running, tmp_path: Path) -> None:
    device, cloud = sides(gateway)
    file = tmp_path / "gateway.toml"
    base = f'[device]\nurl = "{device}"\nmodel = "d"\n[cloud]\nurl = "{cloud}"\nmodel = "c"\n[router]\nprofile = '
    body = {"model": "auto", "messages": [{"role": "user", "content": EASY}]}
    file.write_text(base + '"balanced"\n')

    def side(client: httpx.Client) -> str:
        return str(client.post(CHAT, json=body).headers["x-vibe-side"])

    with process("--config", str(file)) as (running, client):
        assert side(client) == "device"
        file.write_text(base + '"no such profile"\n')
        running.send_signal(signal.SIGHUP)
        assert running.stderr is not None
        assert side(client) == "device"
        file.write_text(base + '"max-quality"\n[aliases]\nanother = "cloud"\n')
        running.send_signal(signal.SIGHUP)
        end = time.monotonic() + 60
        while client.post(CHAT, json={**body, "model": "another"}).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


@pytest.mark.slow
def test_a_termination_lets_an_open_stream_end(gateway: Running) -> None:
    device, cloud = sides(gateway)
    gateway.device.pause_s = 0.5
    body = {"model": "device", "stream": True, "messages": [{"role": "user", "content": EASY}]}
    with (
        process("--device", device, "--cloud", cloud) as (running, client),
        client.stream("POST", CHAT, json=body) as answer,
    ):
        parts = answer.iter_raw()
        first = next(parts)
        running.send_signal(signal.SIGTERM)
        assert (first + b"".join(parts)).endswith(b"data: [DONE]\n\n")
        assert running.wait(60) == 0
