"""Measurements that the documentation quotes, each by one command: `python -m benchmarks NAME`.

Every result is a JSON file under `benchmarks/results/` that names the machine and the versions it was measured with.
"""
