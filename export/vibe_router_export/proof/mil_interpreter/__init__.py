"""Runs saved Core ML packages with numpy, on any machine: is the graph right, and does it survive fp16?"""
