"""A bundle that travels to other machines: the same router there, with any Python that this project supports."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from vibe_router import Router
from vibe_router.integrations.node import ship_bundle

NANO = Path(__file__).resolve().parents[2] / "artifacts" / "nano"
_EXTRACT = tarfile.TarFile.extractall


def _extract_without_filters(archive: tarfile.TarFile, path: Path) -> None:
    _EXTRACT(archive, path)


@pytest.mark.parametrize("filters", [True, False], ids=["filters", "an early 3.10 or 3.11"])
def test_a_shipped_bundle_decides_as_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: bool) -> None:
    if not filters:
        monkeypatch.setattr(tarfile.TarFile, "extractall", _extract_without_filters)
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ship_bundle(NANO).load(threads=1) as shipped, Router.load(NANO, threads=1) as here:
        assert shipped.bundle.folder.is_relative_to(tmp_path)
        assert shipped.route("hi").p_cloud == here.route("hi").p_cloud
