"""A machine as results of benchmarks describe theirs."""

MACHINE = {
    "cpu": "A CPU",
    "cpus": 2,
    "instruction_sets": ["avx2"],
    "memory_bytes": 2**33,
    "system": "Linux x86_64",
    "python": "3.11",
    "versions": {"numpy": "2"},
}
