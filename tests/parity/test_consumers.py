"""Other people's software on the bundled router: a short part of `python -m benchmarks consumers`."""

from __future__ import annotations

import pytest

from benchmarks.consumers.definition import CONSUMERS
from benchmarks.consumers.material import Material, material
from benchmarks.consumers.measure import measure
from vibe_router.bundle.bundle import bundled_folder

# The oldest ONNX Runtime, both generations of transformers.js, ONNX Runtime in WebAssembly, and two other engines.
KEYS = (
    "onnxruntime-1.20.1",
    "ort-format",
    "transformers-js-3-node",
    "transformers-js-4-node",
    "onnxruntime-web-latest",
    "openvino",
    "tract",
)
_MORE = ["[SEP] and [CLS] are words here", "a long prompt " * 400, "écrivez  un\tpoème 🙂"]


@pytest.fixture(scope="module")
def given() -> Material:
    return material(bundled_folder(), _MORE, count=8)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_it_loads_the_bundled_router_and_scores_as_we_do(
    given: Material, tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    assert max(map(len, given.ids)) == given.max_tokens
    consumer = next(one for one in CONSUMERS if one.key == key)
    # Consumers of the same packages share a folder.
    work = tmp_path_factory.getbasetemp() / "consumers"
    row = measure(consumer, given, precision="fp32", work=work, seconds=600)
    if row["status"] == "not here":
        pytest.skip(f"{consumer.label}: {row['reason']}")
    assert row["status"] == "measured", row["reason"]
    assert (row["prompts"], row["other_ids"], row["flips"]) == (8 + len(_MORE), 0, 0)
    assert row["max_abs_probability_difference"] <= 1e-5
