"""Consumers: software of other people that loads a bundle, with its packages and the program that runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A row of the table.

    `pip` and `npm` are packages to install, with their versions where an old one is meant. `without_dependencies` are
    such of `pip` whose dependencies are those of this environment. `runner` is a module or a file of the folder
    `runners`. `options` go to the runner as they are. `distribution` is the package whose version the table shows.
    """

    key: str
    label: str
    runner: str
    distribution: str
    pip: tuple[str, ...] = ()
    without_dependencies: bool = False
    npm: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def packages(self) -> str:
        """The name of the folder of its packages, which consumers of the same packages share."""
        return re.sub(r"[^a-z0-9.]+", "-", " ".join((*self.npm, *self.pip)).lower()).strip("-") or "none"

    @property
    def in_node(self) -> bool:
        """Whether Node runs it."""
        return self.runner.endswith(".mjs")


_SESSION = "session"
_OLD_VERSIONS = ("1.20.1", "1.21.1", "1.22.1", "1.23.2")


def _onnxruntime(version: str | None) -> Consumer:
    package = "onnxruntime" if version is None else f"onnxruntime=={version}"
    return Consumer(
        key=f"onnxruntime-{version or 'newest'}",
        label="onnxruntime",
        runner=_SESSION,
        distribution="onnxruntime",
        pip=(package,),
        without_dependencies=True,
    )


def _transformers_js(major: str, package: str) -> tuple[Consumer, ...]:
    node = Consumer(
        key=f"transformers-js-{major}-node",
        label="transformers.js, Node",
        runner="node.mjs",
        distribution="@huggingface/transformers",
        npm=(package, "playwright-core"),
    )
    browser = Consumer(
        key=f"transformers-js-{major}-browser",
        label="transformers.js, Chromium (wasm)",
        runner="browser.mjs",
        distribution="@huggingface/transformers",
        npm=(package, "playwright-core"),
        options={"device": "wasm"},
    )
    gpu = Consumer(
        key=f"transformers-js-{major}-webgpu",
        label="transformers.js, Chromium (WebGPU)",
        runner="browser.mjs",
        distribution="@huggingface/transformers",
        npm=(package, "playwright-core"),
        options={"device": "webgpu"},
    )
    return node, browser, gpu


CONSUMERS: tuple[Consumer, ...] = (
    *(_onnxruntime(version) for version in _OLD_VERSIONS),
    _onnxruntime(None),
    Consumer(
        key="onnxruntime-fast",
        label="onnxruntime, the fast graph",
        runner=_SESSION,
        distribution="onnxruntime",
        pip=("onnxruntime",),
        without_dependencies=True,
        options={"graph": "fast"},
    ),
    Consumer(
        key="ort-format",
        label="onnxruntime, ORT format",
        runner=_SESSION,
        distribution="onnxruntime",
        pip=("onnxruntime",),
        without_dependencies=True,
        options={"format": "ort"},
    ),
    *(
        Consumer(
            key=f"onnxruntime-web-{version}",
            label="onnxruntime-web (wasm), Node",
            runner="web_session.mjs",
            distribution="onnxruntime-web",
            npm=(f"onnxruntime-web@{version}",),
        )
        for version in ("1.21.0", "1.22.0", "latest")
    ),
    *_transformers_js("3", "@huggingface/transformers@3.8.1"),
    *_transformers_js("4", "@huggingface/transformers@4"),
    Consumer(key="optimum", label="optimum-onnx", runner="optimum_onnx", distribution="optimum-onnx"),
    Consumer(
        key="cross-encoder",
        label="sentence-transformers CrossEncoder",
        runner="cross_encoder",
        distribution="sentence-transformers",
        pip=("sentence-transformers==5.1.2",),
        without_dependencies=True,
    ),
    Consumer(
        key="openvino",
        label="OpenVINO",
        runner="openvino_model",
        distribution="openvino",
        pip=("openvino",),
    ),
    Consumer(key="tract", label="tract", runner="tract_model", distribution="tract", pip=("tract",)),
)
