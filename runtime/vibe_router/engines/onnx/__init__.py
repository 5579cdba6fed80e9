"""ONNX Runtime as an engine: on the CPU, and on NVIDIA GPUs."""
