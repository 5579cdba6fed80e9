"""Exact rewrites of the weights before a graph is made of them."""
