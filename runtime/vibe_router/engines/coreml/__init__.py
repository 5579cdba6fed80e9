"""Core ML as an engine, on a Mac."""
