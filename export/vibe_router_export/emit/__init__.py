"""One file a target: the operations of the forward pass as values, as ONNX nodes, as a Core ML program."""
