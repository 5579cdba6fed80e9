"""`router.json`, the manifest of a bundle: what is in it, how its scores are calibrated, and what was proven.

The dataclasses below are the schema; reading is strict in both directions: an unknown key, a missing key, a
wrong type or a path that leaves the folder is refused, because a manifest may come from a stranger.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from vibe_router.bundle.strict_json import AGAIN, parse_json, read_record, shown
from vibe_router.errors import BundleCorruptError, SchemaError

SCHEMA = "vibe-router-bundle/1"
MANIFEST_NAME = "router.json"
MANIFEST_LIMIT = 2**21
"""The most bytes of a manifest."""
OPTIONAL_FILES = frozenset({"README.md"})
"""Files for people. A bundle loads without them; one that is there must be the file that the manifest lists."""
MIN_TEMPERATURE, MAX_TEMPERATURE = 2.0**-20, 2.0**20
"""The range of a temperature: dividing a logit by it stays far from overflow and from zero."""
# Token ids are unsigned numbers of 32 bits in the tokenizers library, and int32 in the native engine.
_MOST_IDS = 2**31
# Kinds of files times precisions, with room.
_MOST_ENGINES = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The two models a request can go to, as names to show to people."""

    device: str
    cloud: str


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Temperature scaling: p_cloud = sigmoid(z / temperature), z the classifier's raw logit.

    `folded` says that the graph's `logits` output is z / temperature already. `ece_before` and `ece_after`
    are expected calibration errors on the validation split, null where nobody measured them.
    """

    temperature: float
    folded: bool
    source: str
    ece_before: float | None = None
    ece_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """One profile's threshold, as sigmoid(z) (`raw`) and as sigmoid(z / temperature) (`calibrated`)."""

    raw: float
    calibrated: float


@dataclass(frozen=True, kw_only=True)
class ParityNumbers:
    """What the parity gate measured for one engine file against its reference.

    A prompt counts once for every profile that decides it differently, alone or in a batch. The last two fields are
    null in manifests that were written before they were measured.
    """

    reference: str
    prompts: int
    max_abs_logit_difference: float
    max_abs_probability_difference: float
    flips: int
    flips_outside_band: int
    band: float
    percentile_99_abs_probability_difference: float | None = None
    flips_by_profile: dict[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class EngineFile:
    """One graph of the bundle. `parity` is null where nothing was proven.

    `weights` is the file that holds the graph's big constants, in the folder of `file`; null means a file of the
    graph's name and "_data", if there is one.
    """

    kind: str
    file: str
    precision: str
    parity: ParityNumbers | None = None
    weights: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file of the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the bundle comes from. `created` is ISO 8601 in UTC; `versions` maps library to version."""

    checkpoint: str
    checkpoint_sha256: str
    tool: str
    versions: dict[str, str]
    created: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The whole of `router.json`."""

    schema: str
    name: str
    version: str
    labels: Labels
    max_tokens: int
    pad_token_id: int
    calibration: Calibration
    default_profile: str
    thresholds: dict[str, Threshold]
    engines: tuple[EngineFile, ...]
    files: dict[str, FileEntry]
    provenance: Provenance


def is_plain_name(text: str) -> bool:
    """Return whether a bundle or a profile may have this name: ASCII letters, digits, and a few marks between them."""
    return _NAME.fullmatch(text) is not None


def dump_manifest(manifest: Manifest) -> str:
    """Return the manifest as indented JSON text, keys in the order of the schema.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(asdict(manifest), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parse_manifest(content: bytes | str) -> Manifest:
    """Return the manifest that `content` holds.

    Raises:
        SchemaError: another schema than this version reads.
        BundleCorruptError: too large, not JSON in UTF-8, or any key, type, number, name or path that the schema does
            not allow.
    """
    if len(content) > MANIFEST_LIMIT:
        raise _corrupt(f"it is larger than {MANIFEST_LIMIT} bytes")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _corrupt("it is not UTF-8") from error
    data = parse_json(text, MANIFEST_NAME)
    if not isinstance(data, dict) or "schema" not in data:
        raise BundleCorruptError(f"{MANIFEST_NAME} names no schema", hint=AGAIN)
    if data["schema"] != SCHEMA:
        raise SchemaError(
            f"{MANIFEST_NAME} has schema {shown(data['schema'])}; this version reads {SCHEMA!r}",
            hint="upgrade vibe-router, or export the bundle again with this version",
        )
    manifest: Manifest = read_record(Manifest, data, MANIFEST_NAME)
    _check(manifest)
    return manifest


def _corrupt(message: str) -> BundleCorruptError:
    return BundleCorruptError(f"{MANIFEST_NAME}: {message}", hint=AGAIN)


def _check(manifest: Manifest) -> None:
    """Check what types alone cannot say."""
    if not is_plain_name(manifest.name):
        raise _corrupt(f"name {shown(manifest.name)} is not a plain name")
    if not 2 <= manifest.max_tokens <= 2**20:
        raise _corrupt(f"max_tokens {manifest.max_tokens} is out of range")
    if not 0 <= manifest.pad_token_id < _MOST_IDS:
        raise _corrupt(f"pad_token_id {manifest.pad_token_id} is out of range")
    if not MIN_TEMPERATURE <= manifest.calibration.temperature <= MAX_TEMPERATURE:
        raise _corrupt(f"temperature {manifest.calibration.temperature} is out of range")
    if len(manifest.engines) > _MOST_ENGINES:
        raise _corrupt(f"it names {len(manifest.engines)} engine files; at most {_MOST_ENGINES} are read")
    if manifest.default_profile not in manifest.thresholds:
        raise _corrupt(f"default_profile {shown(manifest.default_profile)} has no threshold")
    for profile, threshold in manifest.thresholds.items():
        if not is_plain_name(profile):
            raise _corrupt(f"profile {shown(profile)} is not a plain name")
        if not (0 <= threshold.raw <= 1 and 0 <= threshold.calibrated <= 1):
            raise _corrupt(f"the threshold of {shown(profile)} is outside 0..1")
    for path, entry in manifest.files.items():
        _check_path(path)
        if entry.bytes < 0 or not _SHA256.fullmatch(entry.sha256):
            raise _corrupt(f"files[{shown(path)}] has no valid size and sha256")
    for engine in manifest.engines:
        inside = any(path == engine.file or path.startswith(engine.file + "/") for path in manifest.files)
        if not inside:
            raise _corrupt(f"the engine file {shown(engine.file)} is not listed in files")
        weights = engine.weights
        if weights is not None and (
            weights not in manifest.files or PurePosixPath(weights).parent != PurePosixPath(engine.file).parent
        ):
            raise _corrupt(f"the weights {shown(weights)} are not listed in files, or not next to {shown(engine.file)}")


def _check_path(path: str) -> None:
    """Allow only relative POSIX paths that stay inside the bundle, on every operating system."""
    parts = path.split("/")
    allowed = (
        path != MANIFEST_NAME
        and not PurePosixPath(path).is_absolute()
        and all(part not in ("", ".", "..") and not part.endswith((".", " ")) for part in parts)
        and not any(character in '\\:*?"<>|' or ord(character) < 32 for character in path)
    )
    if not allowed:
        raise _corrupt(f"{shown(path)} is not a plain path inside the bundle")
