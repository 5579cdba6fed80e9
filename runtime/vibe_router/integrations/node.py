"""One bundle for each machine of a cluster, and one router for each of its processes."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from vibe_router.bundle.bundle import open_bundle
from vibe_router.bundle.hub import SCHEME
from vibe_router.bundle.manifest import MANIFEST_NAME
from vibe_router.router import Router


@dataclass(frozen=True)
class ShippedBundle:
    """A bundle that other machines can load.

    `archive` holds the files of a local folder; None says that each machine finds `source` by itself: the bundle that
    was installed with this package, or one on the hub.
    """

    source: str | None
    archive: bytes | None = field(default=None, repr=False)

    def load(self, *, threads: int) -> Router:
        """Return a router for the bundle, after all checks of `Router.load`.

        Raises:
            As `Router.load`.
        """
        return Router.load(self.source if self.archive is None else self._unpacked(), threads=threads)

    def _unpacked(self) -> Path:
        """Return the folder of this machine's copy, which the first process that needs it unpacks."""
        assert self.archive is not None
        digest = hashlib.sha256(self.archive).hexdigest()[:32]
        # A folder of the user's own, because others could put another bundle into one that they can write to.
        folder = Path(tempfile.gettempdir()) / f"vibe-router-{os.getuid()}" / digest
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        if folder.parent.stat().st_uid != os.getuid() or folder.parent.is_symlink():
            folder = Path(tempfile.mkdtemp()) / digest
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as work:
                new = Path(work) / "bundle"
                with tarfile.open(fileobj=io.BytesIO(self.archive)) as archive:
                    # An early 3.10 or 3.11, such as Debian 12's, has no filters.
                    archive.extraction_filter = getattr(tarfile, "data_filter", None)
                    archive.extractall(new)
                try:
                    new.rename(folder)
                except OSError:
                    if not folder.exists():
                        raise
        return folder


def ship_bundle(source: str | os.PathLike[str] | None) -> ShippedBundle:
    """Return the bundle that `source` names, as `Router.load` takes it, for other machines.

    Raises:
        As `vibe_router.bundle.bundle.open_bundle`.
    """
    name = None if source is None else os.fspath(source)
    if name is None or name.startswith(SCHEME):
        return ShippedBundle(name)
    bundle = open_bundle(name)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in (MANIFEST_NAME, *sorted(bundle.manifest.files)):
            if (bundle.folder / file).exists():
                info = tarfile.TarInfo(file)
                info.size = (bundle.folder / file).stat().st_size
                with (bundle.folder / file).open("rb") as content:
                    archive.addfile(info, content)
    return ShippedBundle(name, packed.getvalue())
