"""The project's own int8 engine for CPUs: its library, its file and the engine itself."""
