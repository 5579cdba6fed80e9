"""The commented file that `serve --init` writes."""

from __future__ import annotations

from pathlib import Path

from vibe_router.errors import UsageError

TEMPLATE = """\
# Settings of `vibe-router serve`. Every line that begins with # shows a default or an example.
# The environment overrides this file (VIBE_DEVICE_URL, VIBE_SERVER_PORT, ...), options override both.
# `vibe-router serve --check` tries both sides. docs/gateway.md says what they mean.

[device]
# Any server with OpenAI's API: Ollama 11434, LM Studio 1234, llama.cpp 8080, vLLM 8000, mlx_lm.server 8080.
url = "http://127.0.0.1:11434/v1"
# model = ""               # empty: the first model that it lists
# context_tokens = 8192    # longer requests go to the cloud; 0: no limit
# tools = true
# vision = false
# first_byte_s = 30.0      # slower than this: the cloud answers, where it may

[cloud]
# Leave url out, and everything stays on the device.
# url = "https://api.openai.com/v1"
# model = "gpt-5-mini"
# key_env = "OPENAI_API_KEY"        # the variable that holds the key; or the keychain:
# key_keyring = "openai/me"         # SERVICE/USER
# input_price = 0.25                # for a million tokens, for [budget] and the log
# output_price = 2.0
# Azure: key_header = "api-key", query = { api-version = "2024-10-21" }

[router]
# profile = ""             # of the bundle; clients may ask for another with the model "auto:PROFILE"
# allow_cloud = true       # false: nothing leaves the device

[faults]
# Which faults of one side the other answers, before the first byte. All of them:
# connect, slow, rate_limited, server_error, refused_key, unknown_model, malformed, broken. None: [].
# device_to_cloud = ["connect", "slow"]
# cloud_to_device = ["connect", "rate_limited"]

[budget]
# For the cloud on one UTC day; spent, the device answers.
# requests = 0
# money = 0.0

[log]
# log_prompts = false      # true: the requests' text too
# keep_prompts_days = 30.0

[server]
# host = "127.0.0.1"       # another address needs token_env
# port = 8484
# token_env = "VIBE_ROUTER_TOKEN"
# cors_origins = ["http://localhost:3000"]

[tracing]
# enabled = false          # true: OpenTelemetry spans, to OTEL_EXPORTER_OTLP_ENDPOINT; never with text

[aliases]
# "gpt-5-mini" = "auto"    # for clients that cannot be told another model
"""


def write_template(path: Path) -> Path:
    """Write the file to `path`, which must not exist, and return it.

    Raises:
        UsageError: it exists or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise UsageError(f"{path} exists", hint="edit it, or name another with --config") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="name another with --config") from error
    return path
