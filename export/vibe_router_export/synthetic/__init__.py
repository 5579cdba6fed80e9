"""Random checkpoints and tokenizers of the real architecture, for tests and measurements."""
