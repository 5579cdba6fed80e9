"""Bundles: the folder of files that a router is loaded from, and the checks before it is used."""
