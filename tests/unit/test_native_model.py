"""Files that are not the native engine's are refused before there is a pointer into them."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.native import mapped, native_checkpoint, needs_native_engine
from vibe_router.engines.native.library import native_library, supported_instructions
from vibe_router.engines.native.model import NativeModel
from vibe_router.errors import BundleCorruptError
from vibe_router_export.emit.native.file import NATIVE_FILE, native_architecture, write_native


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # The inputs of mlp.Wo do not fill a multiple of 64: there is padding.
    checkpoint = native_checkpoint(tmp_path_factory.mktemp("checkpoint") / "small", intermediate_size=96)
    path = tmp_path_factory.mktemp("file") / "model.safetensors"
    write_native(checkpoint.weights, native_architecture(checkpoint.weights, max_tokens=128), path)
    return path


def test_the_file_as_it_was_written_is_taken(file: Path) -> None:
    model = NativeModel(mapped(file), file=NATIVE_FILE)
    assert (model.structure.hidden, model.structure.layer_count) == (64, len(model.architecture.layers))


def reshaped(header: dict[str, Any]) -> None:
    header["head.dense.weight"]["shape"] = [1, 32, 128]


def moved(header: dict[str, Any]) -> None:
    first, second = header["model.final_norm.weight"], header["head.norm.weight"]
    first["data_offsets"], second["data_offsets"] = second["data_offsets"], first["data_offsets"]


def architecture(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        known = json.loads(header["__metadata__"]["architecture"]) | changes
        header["__metadata__"]["architecture"] = json.dumps(known)

    return change


def layers(*, count: int | None = None, **values: tuple[float, ...]) -> Callable[[dict[str, Any]], None]:
    """Change the layers' numbers in turn, and how many layers there are."""

    def change(header: dict[str, Any]) -> None:
        known = json.loads(header["__metadata__"]["architecture"])
        changed = known["layers"][:1] * count if count else known["layers"]
        for index, layer in enumerate(changed):
            layer.update({name: numbers[index % len(numbers)] for name, numbers in values.items()})
        header["__metadata__"]["architecture"] = json.dumps(known | {"layers": changed})

    return change


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no metadata": (lambda header: header.pop("__metadata__"), "format"),
    "another format": (lambda header: header["__metadata__"].update(format="vibe-router-native/9"), "format"),
    "no architecture": (lambda header: header["__metadata__"].pop("architecture"), "JSON"),
    "an unknown key": (architecture(beam=4), "unknown key 'beam'"),
    "a size of another type": (architecture(heads=4.5), "heads must be of type int"),
    "no heads": (architecture(heads=0), "out of range"),
    "too many tokens": (architecture(max_tokens=2**40), "out of range"),
    "longer than its tables": (architecture(max_tokens=129), "rope"),
    "another vocabulary": (architecture(vocabulary_size=2**19), "tok_embeddings"),
    "odd heads": (architecture(heads=3), "heads"),
    "a width that does not divide": (architecture(hidden_size=65), "hidden_size"),
    "thetas of zero and of minus zero": (layers(rope_theta=(0.0, -0.0)), "rope_theta"),
    "a negative theta": (layers(rope_theta=(-1.0,)), "rope_theta"),
    "a theta beyond float32": (layers(rope_theta=(1e300,)), "rope_theta"),
    "a scale of nothing": (layers(attention_scale=(0.0,)), "attention_scale"),
    "a scale beyond float32": (layers(attention_scale=(1e39,)), "attention_scale"),
    "no epsilon": (architecture(norm_epsilon=0.0), "norm_epsilon"),
    "an epsilon beyond float32": (architecture(norm_epsilon=1e308), "norm_epsilon"),
    "an exact matrix that is none": (architecture(exact=["x"]), "exact"),
    "an exact matrix twice": (architecture(exact=["model.layers.0.mlp.Wi.weight"] * 2), "exact"),
    "exact matrices without end": (architecture(exact=["x"] * 80_000), "entries"),
    "layers without end": (layers(count=1000), "out of range"),
    "more bytes than there are": (architecture(hidden_size=2**19, heads=2**13, intermediate_size=2**19), "bytes"),
    "a negative window": (
        architecture(layers=[{"window": -1, "rope_theta": 1e4, "attention_scale": 1.0}] * 4),
        "window",
    ),
    "fewer layers": (
        architecture(layers=[{"window": None, "rope_theta": 1e4, "attention_scale": 1.0}]),
        "tok_embeddings",
    ),
    "another number format": (lambda header: header["head.dense.weight"].update(dtype="F16"), "head.dense"),
    "another shape of as many bytes": (reshaped, "head.dense"),
    "tensors that changed places": (moved, "final_norm|head.norm"),
    "one tensor less": (lambda header: header.pop("classifier.bias"), "classifier.bias"),
    "one tensor more": (lambda header: header.update(more=header["classifier.bias"]), "more, or less"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_header_that_does_not_fit_is_refused(
    file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    text = text.ljust(-(-(len(text) + 8) // 64) * 64 - 8)
    altered = tmp_path / "altered.safetensors"
    altered.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    with pytest.raises(BundleCorruptError, match=message):
        NativeModel(mapped(altered), file=NATIVE_FILE)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:4],
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: (2**60).to_bytes(8, "little") + content[8:],
        lambda content: (56).to_bytes(8, "little") + b"[" * 56 + content[8:],
        lambda content: (56).to_bytes(8, "little") + b"3".ljust(56) + content[8:],
        lambda content: content[:8] + b"\xff" + content[9:],
    ],
)
def test_a_damaged_file_is_refused(file: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(damage(file.read_bytes()))
    with pytest.raises(BundleCorruptError, match=NATIVE_FILE):
        NativeModel(mapped(damaged), file=NATIVE_FILE)


def _with_a_byte(file: Path, tmp_path: Path, tensor: str, place: int, value: int) -> NativeModel:
    """Return the model of a copy of the file in which one byte of a tensor has another value."""
    content = bytearray(file.read_bytes())
    length = int.from_bytes(content[:8], "little")
    begin, end = json.loads(content[8 : 8 + length])[tensor]["data_offsets"]
    content[8 + length + (begin + place if place >= 0 else end + place)] = value
    altered = tmp_path / "altered.safetensors"
    altered.write_bytes(content)
    return NativeModel(mapped(altered), file=NATIVE_FILE)


WEIGHT = "model.layers.1.mlp.Wo.weight"


@needs_native_engine
@pytest.mark.parametrize(
    ("tensor", "place", "value"),
    [
        pytest.param(f"{WEIGHT}.offsets", 0, 0x55, id="first offset"),
        pytest.param(f"{WEIGHT}.offsets", -1, 0x55, id="last offset"),
        pytest.param(WEIGHT, 0, 0x80, id="first weight of -128"),
        pytest.param("model.layers.0.attn.Wqkv.weight", -1, 0x80, id="last weight of -128"),
        pytest.param(WEIGHT, -1, 0x01, id="last padded weight"),
        pytest.param(WEIGHT, -32 * 64, 0x01, id="first padded weight"),
    ],
)
def test_weights_that_instruction_sets_would_read_otherwise_are_refused(
    file: Path, tmp_path: Path, tensor: str, place: int, value: int
) -> None:
    NativeModel(mapped(file), file=NATIVE_FILE).begin_check()()
    with pytest.raises(BundleCorruptError, match="do not fit each other"):
        _with_a_byte(file, tmp_path, tensor, place, value).begin_check()()


@needs_native_engine
def test_the_library_refuses_a_model_with_a_pointer_or_a_size_that_is_none(file: Path) -> None:
    """`vr_open` trusts nobody: every pointer that a kernel follows and every size, one after the other."""
    library, instructions = native_library(), supported_instructions()[0]
    model = NativeModel(mapped(file), file=NATIVE_FILE)
    last = model.structure.layers[model.structure.layer_count - 1]

    def refused(part: ctypes.Structure, field: str, value: object) -> bool:
        sound = getattr(part, field)
        setattr(part, field, value)
        engine = library.vr_open(ctypes.byref(model.structure), instructions, 1)
        setattr(part, field, sound)
        if engine:
            library.vr_close(engine)
        return not engine

    assert not refused(model.structure, "hidden", model.structure.hidden)
    assert library.vr_open(None, instructions, 1) is None
    for field in ("embedding", "embedding_scales", "classifier"):
        assert refused(model.structure, field, None), field
    for field in ("vocabulary", "hidden", "intermediate", "heads", "layer_count", "max_tokens"):
        for value in (0, -1, 2**31 - 1):
            assert refused(model.structure, field, value), field
    assert refused(model.structure, "hidden", 2 * model.structure.hidden)
    for field in ("rope_cosine", "rope_sine"):
        assert refused(last, field, None), field
    for norm in (last.attention_norm, last.mlp_norm, model.structure.final_norm, model.structure.head_norm):
        assert refused(norm, "weight", None)
    for matrix in (last.query_key_value, last.attention_output, last.mlp_input, last.mlp_output):
        assert refused(matrix, "values", None)
        assert refused(matrix, "offsets", None)
        assert refused(matrix, "inputs", matrix.inputs - 64)
        assert refused(matrix, "panels", matrix.panels + 1)
    assert refused(model.structure.head_dense, "values", None)
    assert refused(last, "window", 2**31 - 1)
