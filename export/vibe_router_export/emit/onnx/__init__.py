"""The forward pass as ONNX graphs."""
