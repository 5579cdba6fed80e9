"""The MIL interpreter computes what torch computes, one operation at a time, out of saved packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vibe_router.errors import BundleCorruptError, EngineError
from vibe_router_export.proof.mil_interpreter.arithmetic import Arithmetic, Rounding, to_half

ct = pytest.importorskip("coremltools", reason="packages are written with coremltools")
torch = pytest.importorskip("torch", reason="operations are compared with torch")

from coremltools.converters.mil import Builder as mb  # noqa: E402, N813
from coremltools.converters.mil.mil import types  # noqa: E402

from vibe_router_export.proof.mil_interpreter.interpreter import Interpreter  # noqa: E402
from vibe_router_export.proof.mil_interpreter.operations import OPERATIONS  # noqa: E402
from vibe_router_export.proof.mil_interpreter.package import read_package  # noqa: E402

Array = NDArray[Any]
SHAPE = (1, 12, 1, 10)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(0, 2, SHAPE).astype(np.float32)
W = RANDOM.normal(0, 1, (8, 12, 1, 1)).astype(np.float32)
BIAS = RANDOM.normal(0, 1, 8).astype(np.float32)
GAIN = RANDOM.normal(1, 0.1, 12).astype(np.float32)
OTHER = RANDOM.normal(0, 2, SHAPE).astype(np.float32)
RIGHT = RANDOM.normal(0, 1, (1, 10, 1, 7)).astype(np.float32)
SQUARE = RANDOM.normal(0, 1, (1, 12, 7, 10)).astype(np.float32)
LAST = GAIN[:10]
F = torch.nn.functional

# name: (the operation in MIL, the same in torch)
CASES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "add": (lambda x: mb.add(x=x, y=OTHER), lambda x: x + torch.tensor(OTHER)),
    "sub": (lambda x: mb.sub(x=x, y=OTHER), lambda x: x - torch.tensor(OTHER)),
    "mul": (lambda x: mb.mul(x=x, y=OTHER), lambda x: x * torch.tensor(OTHER)),
    "mul broadcast": (lambda x: mb.mul(x=x, y=OTHER[:, :1]), lambda x: x * torch.tensor(OTHER[:, :1])),
    "real_div": (lambda x: mb.real_div(x=x, y=OTHER), lambda x: x / torch.tensor(OTHER)),
    "conv": (lambda x: mb.conv(x=x, weight=W), lambda x: F.conv2d(x, torch.tensor(W))),
    "conv with bias": (
        lambda x: mb.conv(x=x, weight=W, bias=BIAS),
        lambda x: F.conv2d(x, torch.tensor(W), torch.tensor(BIAS)),
    ),
    "linear": (
        lambda x: mb.linear(x=x, weight=RIGHT[0, :, 0].T.copy(), bias=BIAS[:7]),
        lambda x: F.linear(x, torch.tensor(RIGHT[0, :, 0].T), torch.tensor(BIAS[:7])),
    ),
    "matmul": (
        lambda x: mb.matmul(x=x, y=SQUARE, transpose_y=True),
        lambda x: x @ torch.tensor(SQUARE).transpose(-1, -2),
    ),
    "einsum": (
        lambda x: mb.einsum(values=[x, RIGHT], equation="nchw,nwhu->nchu"),
        lambda x: torch.einsum("nchw,nwhu->nchu", x, torch.tensor(RIGHT)),
    ),
    "layer_norm over channels": (
        lambda x: mb.layer_norm(x=x, axes=[1], epsilon=np.float32(1e-5)),
        lambda x: F.layer_norm(x.movedim(1, -1), (12,)).movedim(-1, 1),
    ),
    "layer_norm with gain and bias": (
        lambda x: mb.layer_norm(x=x, axes=[-1], gamma=LAST, beta=2 * LAST, epsilon=np.float32(1e-2)),
        lambda x: F.layer_norm(x, (10,), torch.tensor(LAST), torch.tensor(2 * LAST), 1e-2),
    ),
    "softmax over keys": (lambda x: mb.softmax(x=x, axis=1), lambda x: x.softmax(1)),
    "softmax over the last": (lambda x: mb.softmax(x=x, axis=-1), lambda x: x.softmax(-1)),
    "gelu": (lambda x: mb.gelu(x=x, mode="EXACT"), lambda x: F.gelu(x)),
    "sigmoid": (lambda x: mb.sigmoid(x=x), lambda x: x.sigmoid()),
    "reduce_sum": (
        lambda x: mb.reduce_sum(x=x, axes=[3], keep_dims=True),
        lambda x: x.sum(3, keepdim=True),
    ),
    "reduce_sum dropping axes": (
        lambda x: mb.reduce_sum(x=x, axes=[1, 3], keep_dims=False),
        lambda x: x.sum((1, 3)),
    ),
    "split": (lambda x: mb.split(x=x, num_splits=3, axis=1)[1], lambda x: x.chunk(3, 1)[1]),
    "split by sizes": (
        lambda x: mb.split(x=x, split_sizes=[5, 7], axis=1)[1],
        lambda x: x.split([5, 7], 1)[1],
    ),
    "concat": (lambda x: mb.concat(values=[x, OTHER], axis=3), lambda x: torch.cat([x, torch.tensor(OTHER)], 3)),
    "reshape": (lambda x: mb.reshape(x=x, shape=[1, 3, 4, 10]), lambda x: x.reshape(1, 3, 4, 10)),
    "transpose": (lambda x: mb.transpose(x=x, perm=[0, 3, 2, 1]), lambda x: x.permute(0, 3, 2, 1)),
    "squeeze": (lambda x: mb.squeeze(x=x, axes=[2]), lambda x: x.squeeze(2)),
    "expand_dims": (
        lambda x: mb.expand_dims(x=mb.squeeze(x=x, axes=[2]), axes=[0]),
        lambda x: x.squeeze(2)[None],
    ),
    "slice_by_index": (
        lambda x: mb.slice_by_index(x=x, begin=[0, 2, 0, 0], end=[1, 12, 1, 1]),
        lambda x: x[:, 2:12, :, :1],
    ),
    "greater_equal and select": (
        lambda x: mb.select(cond=mb.greater_equal(x=x, y=OTHER), a=x, b=OTHER),
        lambda x: torch.maximum(x, torch.tensor(OTHER)),
    ),
    "not_equal and cast": (
        lambda x: mb.cast(x=mb.not_equal(x=mb.cast(x=x, dtype="int32"), y=np.int32(0)), dtype="fp32"),
        lambda x: (x.int() != 0).float(),
    ),
    "gather": (
        lambda x: mb.gather(x=W[:, :, 0, 0].copy(), indices=mb.cast(x=mb.sigmoid(x=x), dtype="int32"), axis=0),
        lambda x: torch.tensor(W[:, :, 0, 0])[x.sigmoid().int()],
    ),
}


def save(operation: Callable[[Any], Any], path: Path, *, half: bool = False) -> Path:
    """Write a package of one function whose body is the operation on an input x of SHAPE."""
    kind = types.fp16 if half else types.fp32

    @mb.program(input_specs=[mb.TensorSpec(shape=SHAPE, dtype=kind)], opset_version=ct.target.macOS15)
    def program(x: Any) -> Any:
        return operation(x)

    model = ct.convert(
        program,
        minimum_deployment_target=ct.target.macOS15,
        compute_precision=ct.precision.FLOAT32,
        pass_pipeline=ct.PassPipeline.CLEANUP,
        skip_model_load=True,
    )
    model.save(str(path))
    return path


def output(path: Path, rounding: Rounding, x: Array = X) -> Array:
    (value,) = Interpreter(read_package(path), rounding).run({"x": x}).values()
    return np.asarray(value)


@pytest.mark.parametrize("name", CASES)
def test_operation_equals_torch(name: str, tmp_path: Path) -> None:
    in_mil, in_torch = CASES[name]
    path = save(in_mil, tmp_path / "op.mlpackage")
    expected = in_torch(torch.tensor(X)).numpy()
    got = output(path, Rounding.EXACT)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("conv", {"x": X, "weight": W}),
        ("layer_norm", {"x": X, "axes": np.array([1])}),
        ("softmax", {"x": X, "axis": 1}),
        ("reduce_sum", {"x": X, "axes": np.array([1]), "keep_dims": True}),
    ],
)
def test_pessimistic_arithmetic_is_near_the_exact_one_but_coarser(kind: str, arguments: dict[str, Any]) -> None:
    def error(rounding: Rounding) -> float:
        arithmetic = Arithmetic(rounding, half=True)
        result = arithmetic.result(OPERATIONS[kind](arithmetic, arguments))
        return float(np.sqrt(np.square(result - exact).mean()))

    exact = OPERATIONS[kind](Arithmetic(Rounding.EXACT, half=True), arguments)
    assert 0 < error(Rounding.HALF) < 2.0**-11 * np.abs(exact).max()
    assert error(Rounding.HALF) <= error(Rounding.PESSIMISTIC) < 2.0**-8 * np.abs(exact).max()


def test_fp16_tensors_are_rounded_and_fp32_ones_are_not(tmp_path: Path) -> None:
    third = np.float16(1 / 3)
    halves = save(lambda x: mb.cast(x=mb.mul(x=x, y=third), dtype="fp32"), tmp_path / "h.mlpackage", half=True)
    exact, rounded = output(halves, Rounding.EXACT, to_half(X)), output(halves, Rounding.HALF, to_half(X))
    assert not np.array_equal(exact, rounded)
    np.testing.assert_array_equal(rounded, to_half(exact))
    singles = save(lambda x: mb.mul(x=x, y=np.float32(1 / 3)), tmp_path / "s.mlpackage")
    np.testing.assert_array_equal(output(singles, Rounding.EXACT), output(singles, Rounding.PESSIMISTIC))


def test_rounding_is_numpys_conversion() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    finite = np.sort(halves[np.isfinite(halves)])
    between = (finite[1:] + finite[:-1]) / 2
    above = np.nextafter(between, np.float32(np.inf))
    any_bits = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    inside = any_bits[np.abs(any_bits) < 65_504]
    with np.errstate(over="ignore", invalid="ignore"):
        for x in (halves, finite, between, above, any_bits, inside, np.zeros((0, 3), np.float32)):
            np.testing.assert_array_equal(to_half(x), x.astype(np.float16).astype(np.float32))


def test_pessimistic_sums_overflow_where_fp16_does() -> None:
    x = np.full((1, 64), 300, np.float32)
    assert np.isfinite(Arithmetic(Rounding.HALF, half=True).matmul(x, x.T)).all()
    with np.errstate(over="ignore"):
        assert np.isinf(Arithmetic(Rounding.PESSIMISTIC, half=True).matmul(x, x.T)).all()


def test_pessimistic_sums_lose_what_fp16_cannot_hold() -> None:
    x = np.concatenate([np.full((1, 16), 256), np.full((1, 48), 0.05)], axis=1).astype(np.float32)
    ones = np.ones((64, 1), np.float32)
    assert Arithmetic(Rounding.PESSIMISTIC, half=True).matmul(x, ones)[0, 0] == 4096
    assert Arithmetic(Rounding.HALF, half=True).matmul(x, ones)[0, 0] > 4098


def test_an_unknown_operation_is_refused_by_name(tmp_path: Path) -> None:
    path = save(lambda x: mb.erf(x=x), tmp_path / "op.mlpackage")
    with pytest.raises(EngineError, match="erf"):
        Interpreter(read_package(path), Rounding.EXACT)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: mb.gelu(x=x, mode="TANH_APPROXIMATION"),
        lambda x: mb.conv(x=x, weight=W[:, :6].copy(), groups=2),
        lambda x: mb.conv(x=x, weight=W, strides=[1, 2]),
    ],
    ids=["gelu-tanh", "grouped-conv", "strided-conv"],
)
def test_an_unknown_variant_is_refused(operation: Callable[[Any], Any], tmp_path: Path) -> None:
    path = save(operation, tmp_path / "op.mlpackage")
    with pytest.raises(EngineError, match=r"does not know (gelu|conv)"):
        output(path, Rounding.EXACT)


def test_wrong_inputs_and_functions_are_refused(tmp_path: Path) -> None:
    interpreter = Interpreter(read_package(save(CASES["gelu"][0], tmp_path / "op.mlpackage")), Rounding.EXACT)
    with pytest.raises(EngineError, match="no function 'other'"):
        interpreter.run({"x": X}, function="other")
    with pytest.raises(EngineError, match="takes inputs"):
        interpreter.run({"y": X})
    with pytest.raises(EngineError, match="takes inputs"):
        interpreter.run({"x": X[:, :3]})


def test_damaged_packages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleCorruptError, match="cannot read"):
        read_package(tmp_path / "none.mlpackage")
    path = save(lambda x: mb.conv(x=x, weight=W), tmp_path / "op.mlpackage")
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    weights.write_bytes(bytes(len(weights.read_bytes())))
    with pytest.raises(BundleCorruptError, match="no constant"):
        output(path, Rounding.EXACT)
