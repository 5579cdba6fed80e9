"""The forward pass as numpy values."""
