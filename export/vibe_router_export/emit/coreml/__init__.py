"""The forward pass as Core ML programs and packages."""
