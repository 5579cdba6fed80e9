"""Add an engine's file to a bundle of the same checkpoint, or to a new one; whole, or the bundle stays as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vibe_router.bundle.bundle import Bundle, open_bundle
from vibe_router.bundle.manifest import MANIFEST_NAME, EngineFile, Manifest, dump_manifest, parse_manifest
from vibe_router.errors import UsageError
from vibe_router.progress import ProgressCallback
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.assemble import hash_files
from vibe_router_export.card import with_section
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.onnx_export import ExportOptions, ReferenceChoice, export_onnx, load_reference
from vibe_router_export.proof.cases import ProofCases, collect_cases
from vibe_router_tools.atomic.write import staged_folder
from vibe_router_tools.bundle_edit import CARD, copy_files


@dataclass(frozen=True)
class Addition:
    """A bundle in its staging folder, whole but for what is added, and what to prove that on."""

    folder: Path
    manifest: Manifest
    proof: ProofCases

    def enter(self, entry: EngineFile, *, section: str, versions: Mapping[str, str]) -> Manifest:
        """Write the manifest with `entry` in place of one of the same file, and the card with `section`.

        `versions` are those of the libraries that made the file.
        """
        card = self.folder / CARD
        card.write_text(with_section(card.read_text("utf-8"), section), encoding="utf-8")
        provenance = self.manifest.provenance
        changed = replace(
            self.manifest,
            engines=(*(engine for engine in self.manifest.engines if engine.file != entry.file), entry),
            files=hash_files(self.folder),
            provenance=replace(provenance, versions=dict(provenance.versions) | dict(versions)),
        )
        text = dump_manifest(changed)
        checked = parse_manifest(text)
        (self.folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
        return checked


def open_existing(folder: Path, checkpoint: Checkpoint, file: str, *, overwrite: bool) -> Bundle | None:
    """Return the bundle to add `file` to; None where there is none.

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
def addition(
    checkpoint: Checkpoint,
    folder: Path,
    existing: Bundle | None,
    *,
    max_tokens: int,
    reference: ReferenceChoice,
    prompts: Sequence[str] | None,
    progress: ProgressCallback | None,
) -> Iterator[Addition]:
    """Yield a copy of `existing`, or a new bundle with an fp32 graph, which becomes `folder` when the block ends well.

    `prompts` are for the reference to score; `max_tokens` is the new bundle's limit.

    Raises:
        ParityError: the new fp32 graph does not decide as the reference does.
        UsageError: somebody else has changed the bundle meanwhile.
        MissingExtraError: the reference was asked for and is not installed.
        BundleCorruptError: files of `existing` have been altered.
    """
    with staged_folder(folder, replace=MANIFEST_NAME if existing else None) as staged:
        if existing:
            copy_files(existing, staged)
            limit = existing.manifest.max_tokens
            proof = collect_cases(
                checkpoint,
                PromptTokenizer((staged / "tokenizer.json").read_bytes(), max_tokens=limit),
                # Not kept in a variable: its memory is free again when files are written.
                reference=load_reference(checkpoint, reference),
                prompts=prompts,
                max_tokens=limit,
                progress=progress,
            )
        else:
            settings = ExportOptions(max_tokens=max_tokens, reference=reference, prompts=prompts, overwrite=True)
            proof = export_onnx(checkpoint, staged, options=settings, progress=progress).proof
        yield Addition(staged, open_bundle(staged).manifest, proof)
        if existing and open_bundle(folder).manifest != existing.manifest:
            raise UsageError(f"{folder} was changed meanwhile", hint="nothing was written; run the command again")
