"""What int8 and int4 do to the logit of one checkpoint, by this project's graphs and by other tools.

Everything is compared with the fp32 graph, prompts alone. The unit of errors is the standard deviation of the fp32
logits over the prompts: an error of 1 leaves nothing of the score.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from vibe_router.batching import score_alone
from vibe_router.engines.onnx import OnnxCpuEngine
from vibe_router.events import Progress, ProgressCallback
from vibe_router.policy import LOW_PRECISION_BAND, above, sigmoid
from vibe_router.tokenizer import PromptTokenizer
from vibe_router_export.checkpoint import Checkpoint, read_checkpoint
from vibe_router_export.emit.onnx_graph import build_onnx
from vibe_router_export.golden import EXAMPLES, mixed_prompts
from vibe_router_export.onnx_file import remove_onnx, write_onnx
from vibe_router_export.quantize import ALL_FP32, MatrixFormat, Precision, PrecisionPlan, lowered
from vibe_router_export.reference import reference_available
from vibe_router_export.spikes import input_ranges

COLUMNS = ("way", "MB", "error rms", "error max", "max |dp|", "flips", "outside the band", "kept in fp32")
_MAX_TOKENS = 512
_CALIBRATION_PROMPTS = 32
_CALIBRATION_TOKENS = 128

Score = Callable[[NDArray[np.int64]], float]
"""The logit z of one sequence of ids, int64 [tokens]."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to run the checkpoint; errors in standard deviations of the logit, `megabytes` null where no file is."""

    way: str
    megabytes: float | None
    rms_error: float
    max_error: float
    max_abs_probability_difference: float
    flips: int
    flips_outside_band: int
    kept: tuple[str, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of `COLUMNS`."""
        size = "" if self.megabytes is None else f"{self.megabytes:.1f}"
        errors = (f"{self.rms_error:.4f}", f"{self.max_error:.4f}", f"{self.max_abs_probability_difference:.4f}")
        kept = ", ".join(name.removeprefix("model.layers.").removesuffix(".weight") for name in self.kept)
        return (self.way, size, *errors, str(self.flips), str(self.flips_outside_band), kept)


@dataclass(frozen=True, kw_only=True)
class Result:
    """All ways for one checkpoint."""

    label: str
    checkpoint: str
    checkpoint_sha256: str
    prompts: int
    logit_mean: float
    logit_deviation: float
    rows: tuple[Row, ...]

    def fields(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Way:
    """A way to run the checkpoint: how to score, how many bytes it takes on disk."""

    name: str
    score: Score
    bytes: int | None
    kept: tuple[str, ...] = ()


def measure_checkpoint(
    source: str,
    *,
    label: str,
    prompts: Sequence[str] | None,
    count: int,
    threads: int,
    progress: ProgressCallback,
) -> Result:
    """Score `count` prompts in every way; `prompts` None means made-up ones.

    Raises:
        CheckpointError: `source` is not a checkpoint that can be exported.
    """
    checkpoint = read_checkpoint(source)
    texts = list(prompts or mixed_prompts(EXAMPLES, count=count, seed=0))
    chosen = [texts[place] for place in np.linspace(0, len(texts) - 1, min(count, len(texts))).astype(int)]
    tokenizer = PromptTokenizer((checkpoint.folder / "tokenizer.json").read_bytes(), max_tokens=_MAX_TOKENS)
    sequences = [tokenizer.encode(text).ids for text in chosen]
    with tempfile.TemporaryDirectory() as folder:
        ways = _ways(checkpoint, Path(folder), sequences, threads=threads)
        exact = _scores(next(ways), sequences)
        rows = []
        for done, way in enumerate(ways, start=1):
            rows.append(_row(way, _scores(way, sequences), exact, checkpoint.router.profiles))
            progress(Progress(done, None))
    return Result(
        label=label,
        checkpoint=checkpoint.source,
        checkpoint_sha256=checkpoint.sha256,
        prompts=len(sequences),
        logit_mean=float(exact.mean()),
        logit_deviation=float(exact.std()),
        rows=tuple(rows),
    )


def _ways(
    checkpoint: Checkpoint, folder: Path, sequences: Sequence[NDArray[np.int64]], *, threads: int
) -> Iterator[_Way]:
    """Yield the fp32 graph, then everything that is compared with it; only one at a time is in memory."""
    fp32 = folder / "model.onnx"
    yield _graph("fp32", checkpoint, ALL_FP32, fp32, threads=threads)
    low = folder / "low.onnx"
    short = [ids for ids in sequences if len(ids) <= _CALIBRATION_TOKENS][:_CALIBRATION_PROMPTS]
    ranges = input_ranges(checkpoint.weights, short, pad_token_id=checkpoint.config.pad_token_id)
    spiking = tuple(item.name for item in ranges if item.spiking)
    int8 = lowered(checkpoint.weights, Precision.INT8)
    writers = tuple(name.replace("mlp.Wo", "mlp.Wi") for name in spiking if "mlp.Wo" in name)
    yield _graph("int8, every matrix", checkpoint, int8, low, threads=threads)
    if spiking:
        yield _graph("int8, spiking inputs kept", checkpoint, int8, low, threads=threads, kept=spiking)
    if writers:
        both = (*spiking, *writers)
        yield _graph("int8, and what feeds them", checkpoint, int8, low, threads=threads, kept=both)
    yield _graph("int4, every matrix", checkpoint, lowered(checkpoint.weights, Precision.INT4), low, threads=threads)
    yield _onnxruntime_dynamic(fp32, low, threads=threads)
    if reference_available():
        yield _torch_dynamic(checkpoint, threads=threads)


def _graph(
    name: str, checkpoint: Checkpoint, plan: PrecisionPlan, path: Path, *, threads: int, kept: tuple[str, ...] = ()
) -> _Way:
    remove_onnx(path)
    exact = dict.fromkeys(kept, MatrixFormat.FP32)
    write_onnx(build_onnx(checkpoint.weights, max_tokens=_MAX_TOKENS, plan={**plan, **exact}), path)
    precision = "fp32" if plan is ALL_FP32 else "int8"
    engine = OnnxCpuEngine(path, file=path.name, precision=precision, threads=threads)
    return _Way(name, lambda ids: score_alone(engine, ids), _size(path), kept)


def _onnxruntime_dynamic(fp32: Path, path: Path, *, threads: int) -> _Way:
    """ONNX Runtime's own tool, which optimum's ORTQuantizer calls, with one scale a column."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    remove_onnx(path)
    external = fp32.with_name(fp32.name + "_data").exists()
    quantize_dynamic(
        fp32,
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=external,
        # It cannot infer types behind operators of the com.microsoft domain.
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    engine = OnnxCpuEngine(path, file=path.name, precision="int8", threads=threads)
    return _Way("ONNX Runtime quantize_dynamic", lambda ids: score_alone(engine, ids), _size(path))


def _torch_dynamic(checkpoint: Checkpoint, *, threads: int) -> _Way:
    """PyTorch's dynamic quantisation of every linear layer."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint.folder).float().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize: Any = torch.ao.quantization.quantize_dynamic
        model = quantize(model, {torch.nn.Linear})

    def score(ids: NDArray[np.int64]) -> float:
        with torch.inference_mode():
            return float(model(torch.from_numpy(ids[None])).logits[0, 0])

    return _Way("PyTorch quantize_dynamic", score, None)


def _scores(way: _Way, sequences: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    return np.array([way.score(ids) for ids in sequences])


def _row(way: _Way, scores: NDArray[np.float64], exact: NDArray[np.float64], profiles: Mapping[str, float]) -> Row:
    errors = (scores - exact) / exact.std()
    pairs = [(sigmoid(z), sigmoid(reference)) for z, reference in zip(scores, exact, strict=True)]
    flipped = [
        abs(reference - threshold)
        for p, reference in pairs
        for threshold in profiles.values()
        if above(p, threshold) != above(reference, threshold)
    ]
    return Row(
        way=way.name,
        megabytes=None if way.bytes is None else way.bytes / 1e6,
        rms_error=float(np.sqrt(np.square(errors).mean())),
        max_error=float(np.abs(errors).max()),
        max_abs_probability_difference=max(abs(p - reference) for p, reference in pairs),
        flips=len(flipped),
        flips_outside_band=sum(distance >= LOW_PRECISION_BAND for distance in flipped),
        kept=way.kept,
    )


def _size(path: Path) -> int:
    """Return the bytes of a graph and of the data files beside it that share its name."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
