// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "vibe-router",
    platforms: [.macOS(.v13), .iOS(.v16)],
    products: [
        .library(name: "VibeRouter", targets: ["VibeRouter"]),
        // The bundled router, 3.5 MB. An application with a bundle of its own does not need it.
        .library(name: "VibeRouterNano", targets: ["VibeRouterNano"]),
    ],
    targets: [
        .target(
            name: "CVibeRouter",
            path: "native",
            exclude: ["README.md", "build_hook.py", "dist.py", "examples", "fuzz", "kernel", "windows"] + [
                "text/compare.py", "text/library.py", "text/make_tables.py",
            ],
            sources: ["engine", "router", "swiftpm", "text"],
            publicHeadersPath: "include",
            linkerSettings: [
                .linkedLibrary("m", .when(platforms: [.linux])),
                .linkedLibrary("pthread", .when(platforms: [.linux])),
            ]
        ),
        .target(name: "VibeRouter", dependencies: ["CVibeRouter"], path: "swift/Sources/VibeRouter"),
        // Its folder is the package's, because the file lies in artifacts/.
        .target(
            name: "VibeRouterNano",
            dependencies: ["VibeRouter"],
            path: ".",
            exclude: [
                "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md",
                "benchmarks", "constraints.txt", "docs", "examples", "export", "native", "pyproject.toml", "runtime",
                "swift/Examples", "swift/Sources/VibeRouter", "swift/Tests", "swift/make_words.py", "tests",
                "training", "web",
                "artifacts/nano/README.md", "artifacts/nano/config.json", "artifacts/nano/golden.jsonl",
                "artifacts/nano/onnx", "artifacts/nano/router.json", "artifacts/nano/special_tokens_map.json",
                "artifacts/nano/tokenizer.json", "artifacts/nano/tokenizer_config.json",
            ],
            sources: ["swift/Sources/VibeRouterNano"],
            resources: [.copy("artifacts/nano/native/model_int8.safetensors")]
        ),
        .executableTarget(
            name: "RoutePrompts",
            dependencies: ["VibeRouter", "VibeRouterNano"],
            path: "swift/Examples/RoutePrompts"
        ),
        .executableTarget(
            name: "RouterMenu",
            dependencies: ["VibeRouter", "VibeRouterNano"],
            path: "swift/Examples/RouterMenu"
        ),
        .testTarget(
            name: "VibeRouterTests",
            dependencies: ["VibeRouter", "VibeRouterNano"],
            path: "swift/Tests/VibeRouterTests"
        ),
    ],
    cLanguageStandard: .c11
)
