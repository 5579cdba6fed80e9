"""Files of a checkpoint that are no files, lead elsewhere, never end, or hold what no bundle could pass on."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.support.checkpoints import write_checkpoint
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "small")


def test_a_shard_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"classifier.bias": "model-00002-of-00002.safetensors", "x": "model-00001-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(CheckpointError, match=r"lacks model-00002-of-00002\.safetensors"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["a\0.safetensors", "a\ud800.safetensors"])
def test_a_shard_with_a_name_that_no_file_has_is_refused(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"classifier.bias": name}}))
    with pytest.raises(CheckpointError, match="no file can have the name"):
        read_checkpoint(folder)


_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "router_config.json", "TRAINING.md"]


@pytest.mark.parametrize("name", [*_FILES, "model.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_refused_at_once(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).mkdir()
    with pytest.raises(CheckpointError, match=name):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", _FILES)
def test_a_link_is_not_followed_into_other_folders(folder: Path, name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"private")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(CheckpointError, match="through a link") as caught:
        read_checkpoint(folder)
    assert "plain file" in caught.value.hint


@pytest.mark.parametrize("name", _FILES)
def test_text_in_another_encoding_or_without_an_end_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes('{"x": "é"}'.encode("latin-1"))
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)
    with (folder / name).open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(CheckpointError, match="bytes"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "router_config.json"])
@pytest.mark.parametrize(
    ("text", "named"),
    [("NaN", "NaN"), ("-Infinity", "Infinity"), ('"\\ud83d"', "lone surrogate"), ('1, "added": 2', "twice")],
)
def test_what_a_bundle_could_not_pass_on_is_refused(folder: Path, name: str, text: str, named: str) -> None:
    content = (folder / name).read_text().rstrip().removesuffix("}")
    (folder / name).write_text(f'{content}, "added": {text}}}')
    with pytest.raises(CheckpointError, match=named):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("file", "key", "value", "named"),
    [
        ("tokenizer.json", "normalizer", {"type": "BertNormalizer"}, "does not read this tokenizer"),
        ("tokenizer.json", "model", {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "does not read"),
        ("tokenizer_config.json", "truncation_side", "left", "cut on the left"),
        (
            "tokenizer.json",
            "truncation",
            {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
            "cut on the left",
        ),
    ],
)
def test_a_tokenizer_is_judged_before_weights_are_read(
    folder: Path, file: str, key: str, value: object, named: str
) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | {key: value}))
    (folder / "model.safetensors").write_bytes(b"not read before the tokenizer is judged")
    with pytest.raises(CheckpointError, match=named) as caught:
        read_checkpoint(folder)
    assert caught.value.hint


def test_ids_without_a_row_in_the_table_are_refused(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"vocab_size": content["vocab_size"] - 1}))
    with pytest.raises(CheckpointError, match="has the id"):
        read_checkpoint(folder)


def test_ids_that_the_model_never_reads_may_lie_outside_the_vocabulary(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    unused = {"cls_token_id": 50281, "sep_token_id": 50282, "bos_token_id": 50281, "eos_token_id": 50282}
    (folder / "config.json").write_text(json.dumps(content | unused))
    assert read_checkpoint(folder).config.layers


def test_an_adapter_is_refused_with_the_way_to_merge_it(folder: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "model.safetensors").rename(adapter / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="is an adapter") as caught:
        read_checkpoint(adapter)
    assert "merge_and_unload" in caught.value.hint


def test_an_adapter_among_the_weights_is_refused_with_the_way_to_merge_it(folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file({f"base_model.model.{name}": tensor for name, tensor in load_file(path).items()}, path)
    with pytest.raises(CheckpointError, match="not merged") as caught:
        read_checkpoint(folder)
    assert "merge_and_unload" in caught.value.hint


def test_all_files_that_an_export_reads_are_fetched_from_a_hub(folder: Path, tmp_path: Path) -> None:
    (folder / "TRAINING.md").write_text("## Training\n")
    (folder / "special_tokens_map.json").write_text('{"mask_token": "[MASK]"}')
    (folder / "optimizer.pt").write_bytes(b"not for an export")
    program = "from vibe_router_export.checkpoint.find import find_checkpoint as f; print(f('maker/router'))"
    with a_hub(folder) as address:
        # huggingface_hub reads its settings when it is imported.
        settings = {
            "HF_ENDPOINT": address,
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-c", program]
        ran = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    fetched = Path(ran.stdout.strip())
    assert {path.name for path in fetched.iterdir()} == {path.name for path in folder.iterdir()} - {"optimizer.pt"}
    assert read_checkpoint(fetched).training_card == "## Training\n"


@contextmanager
def a_hub(folder: Path) -> Iterator[str]:
    """Serve a folder as the repository maker/router of a hub, and yield the hub's address."""
    commit = "0123456789abcdef0123456789abcdef01234567"

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/models/maker/router"):
                names = [{"rfilename": path.name} for path in folder.iterdir()]
                content = json.dumps({"id": "maker/router", "sha": commit, "siblings": names}).encode()
            else:
                content = (folder / self.path.rpartition("/")[2]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
