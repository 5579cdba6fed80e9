"""A bundle in the making: recipes add files to it, and it takes its place whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vibe_router.bundle.bundle import Bundle, open_bundle
from vibe_router.bundle.manifest import MANIFEST_NAME, EngineFile, Manifest
from vibe_router.engines.choice import ONNX_CPU, EngineChoice
from vibe_router.engines.onnx.cpu import OnnxCpuEngine
from vibe_router.engines.protocol import Engine
from vibe_router.engines.select import is_proven, load_engine
from vibe_router.errors import UsageError
from vibe_router.progress import ProgressCallback
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.card import bundle_card
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.choices import Precision, ReferenceChoice
from vibe_router_export.emit.onnx.file import remove_onnx
from vibe_router_export.first_manifest import NO_CLAIMS, Claims, first_manifest
from vibe_router_export.fold.folds import fold_temperature
from vibe_router_export.model_files import declare_data_files, write_model_files
from vibe_router_export.proof.cases import ProofCases, collect_cases, score_with_graph
from vibe_router_export.proof.golden import dump_golden
from vibe_router_export.proof.parity import FP32_LIMITS, Case, gate
from vibe_router_export.proof.reference import load_reference
from vibe_router_export.recipes.recipe import FileT, Recipe, RecipeInputs, WrittenFile
from vibe_router_tools.atomic.write import staged_folder
from vibe_router_tools.bundle_edit import copy_files, hash_files, write_manifest
from vibe_router_tools.card import read_card, with_section, write_card


@dataclass(frozen=True, kw_only=True)
class DraftSettings:
    """The caller's choices about a bundle. `prompts` are what the reference scores next to the golden prompts."""

    claims: Claims = NO_CLAIMS
    max_tokens: int = 512
    reference: ReferenceChoice = ReferenceChoice.AUTO
    prompts: Sequence[str] | None = None


@dataclass
class Draft:
    """A bundle in its staging folder, and everything that files added to it are proven on.

    `manifest` states temperature, thresholds and limits from the start, and gets engines and hashes from `finish`.
    """

    checkpoint: Checkpoint
    folder: Path
    manifest: Manifest
    tokenizer: PromptTokenizer
    proof: ProofCases
    progress: ProgressCallback | None
    copied: bool
    license: str | None = None
    more: tuple[Case, ...] = ()
    _written: list[WrittenFile] = field(default_factory=list)

    @property
    def inputs(self) -> RecipeInputs:
        """What a recipe reads now."""
        return RecipeInputs(
            folder=self.folder,
            manifest=self.manifest,
            weights=fold_temperature(self.checkpoint.weights, self.manifest.calibration.temperature),
            proof=self.proof,
            more=self.more,
            progress=self.progress,
        )

    def add(self, recipe: Recipe[FileT]) -> FileT:
        """Write and prove a file, in place of one of the same name.

        Raises:
            ParityError: the file does not decide as the reference does.
        """
        written = recipe.write(self.inputs)
        self._written.append(written)
        return written

    def remove(self, written: WrittenFile) -> None:
        """Take an ONNX graph out again that was added only to judge others."""
        self._written.remove(written)
        for entry in written.entries:
            remove_onnx(self.folder / entry.file)

    def score_with_graph(self, prompts: Sequence[str]) -> None:
        """Let the fp32 graph score those of `prompts` that the reference has not; later files are compared on both.

        The graph passes its gate first unless it is proven. Without such a graph nothing is scored.

        Raises:
            ParityError: the graph does not decide as the reference does.
        """
        left_out = self.proof.left_out(prompts)
        graph = fp32_graph(self._engines())
        if graph is None or not left_out:
            return
        temperature = self.manifest.calibration.temperature
        engine = self._open(graph)
        try:
            if self._is_old(graph) and not is_proven(graph):
                report = self.inputs.compare(engine, self.proof.cases, band=FP32_LIMITS.band)
                gate(report, FP32_LIMITS, temperature=temperature)
            self.more = score_with_graph(
                engine, self.tokenizer, left_out, temperature=temperature, progress=self.progress
            )
        finally:
            engine.close()

    def finish(self) -> Manifest:
        """Write the card and the manifest, and return the manifest as a reader will see it.

        Raises:
            BundleCorruptError: the manifest would not pass its own reader (a name with a slash, say).
        """
        manifest = replace(self.manifest, engines=self._engines())
        if not self.copied:
            declare_data_files(self.folder)
            golden = dump_golden(self.proof.golden_prompts(manifest.calibration.temperature))
            (self.folder / "golden.jsonl").write_text(golden, encoding="utf-8")
        write_card(self.folder, self._card(manifest))
        versions = dict(manifest.provenance.versions)
        for written in self._written:
            versions |= written.versions
        provenance = replace(manifest.provenance, versions=versions)
        return write_manifest(replace(manifest, files=hash_files(self.folder), provenance=provenance), self.folder)

    def _engines(self) -> tuple[EngineFile, ...]:
        """Return the manifest's entries: those that stay, then those added."""
        added = tuple(entry for written in self._written for entry in written.entries)
        names = {entry.file for entry in added}
        return (*(engine for engine in self.manifest.engines if engine.file not in names), *added)

    def _card(self, manifest: Manifest) -> str:
        if self.copied:
            card = read_card(self.folder)
        else:
            plain = [written for written in self._written if written.section is None]
            card = bundle_card(
                replace(manifest, engines=tuple(entry for written in plain for entry in written.entries)),
                kept=[(written.entry.file, matrix) for written in plain for matrix in written.kept],
                training_card=self.checkpoint.training_card,
                license=self.license,
            )
        for written in self._written:
            if written.section is not None:
                card = with_section(card, written.section)
        return card

    def _is_old(self, graph: EngineFile) -> bool:
        return all(written.entry is not graph for written in self._written)

    def _open(self, graph: EngineFile) -> Engine:
        if self._is_old(graph):
            choice = EngineChoice(engine=ONNX_CPU, precision=graph.precision)
            return load_engine(Bundle(self.folder, self.manifest), choice)
        pad = self.manifest.pad_token_id
        return OnnxCpuEngine(self.folder / graph.file, file=graph.file, precision=graph.precision, pad_token_id=pad)


def fp32_graph(engines: Sequence[EngineFile]) -> EngineFile | None:
    """Return the ONNX graph in fp32 among a manifest's engines, if there is one."""
    return next((one for one in engines if (one.kind, one.precision) == ("onnx", Precision.FP32.value)), None)


def open_existing(folder: Path, checkpoint: Checkpoint, file: str, *, overwrite: bool) -> Bundle | None:
    """Return the bundle to add `file` to; None if there is none.

    Raises:
        UsageError: it is of another checkpoint, or has the file already and `overwrite` is not set.
        BundleNotFoundError, BundleCorruptError, SchemaError: what is there cannot be read.
    """
    if not folder.exists():
        return None
    opened = open_bundle(folder)
    if opened.manifest.provenance.checkpoint_sha256 != checkpoint.sha256:
        raise UsageError(
            f"{folder} was exported from another checkpoint ({opened.manifest.provenance.checkpoint})",
            hint="choose another place",
        )
    if any(engine.file == file for engine in opened.manifest.engines) and not overwrite:
        raise UsageError(f"{folder} has {file} already", hint="choose another place, or replace it with --force")
    return opened


@contextlib.contextmanager
def new_draft(
    checkpoint: Checkpoint,
    folder: Path,
    settings: DraftSettings,
    *,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
) -> Iterator[Draft]:
    """Yield a draft without engines, which becomes `folder` when the block ends well.

    Raises:
        UsageError: `folder` exists and `overwrite` is not set or it is no bundle; or a claim that no card may make.
        CheckpointError: the checkpoint's tokenizer files cannot be read.
        ParityError: the runtime's token ids differ from the reference's.
        MissingExtraError: the reference was asked for and is not installed.
        VibeRouterError: the disk is full.
    """
    max_tokens = min(settings.max_tokens, checkpoint.config.max_positions)
    manifest = first_manifest(checkpoint, settings.claims, max_tokens=max_tokens)
    with staged_folder(folder, replace=MANIFEST_NAME if overwrite else None) as staged:
        write_model_files(checkpoint, staged, max_tokens=manifest.max_tokens)
        draft = _scored(checkpoint, staged, manifest, settings.reference, settings.prompts, progress, copied=False)
        draft.license = settings.claims.license or checkpoint.router.license
        yield draft


@contextlib.contextmanager
def copied_draft(
    checkpoint: Checkpoint,
    folder: Path,
    existing: Bundle,
    *,
    reference: ReferenceChoice,
    prompts: Sequence[str] | None,
    progress: ProgressCallback | None = None,
) -> Iterator[Draft]:
    """Yield a copy of `existing`, a bundle at `folder` of this checkpoint, which replaces it when the block ends well.

    Raises:
        UsageError: somebody else has changed the bundle meanwhile.
        MissingExtraError: the reference was asked for and is not installed.
        ParityError: the runtime's token ids differ from the reference's.
        BundleCorruptError: files of `existing` have been altered.
    """
    with staged_folder(folder, replace=MANIFEST_NAME) as staged:
        copy_files(existing, staged)
        yield _scored(checkpoint, staged, existing.manifest, reference, prompts, progress, copied=True)
        if open_bundle(folder).manifest != existing.manifest:
            raise UsageError(f"{folder} was changed meanwhile", hint="nothing was written; run the command again")


def _scored(
    checkpoint: Checkpoint,
    folder: Path,
    manifest: Manifest,
    reference: ReferenceChoice,
    prompts: Sequence[str] | None,
    progress: ProgressCallback | None,
    *,
    copied: bool,
) -> Draft:
    tokenizer = PromptTokenizer((folder / "tokenizer.json").read_bytes(), max_tokens=manifest.max_tokens)
    proof = collect_cases(
        checkpoint,
        tokenizer,
        # Not kept in a variable, so that its memory is free when files are written.
        reference=load_reference(checkpoint, reference),
        prompts=prompts,
        max_tokens=manifest.max_tokens,
        progress=progress,
    )
    return Draft(checkpoint, folder, manifest, tokenizer, proof, progress, copied)
