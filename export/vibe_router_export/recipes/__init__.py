"""Recipes: how each file of a bundle is made from folded weights."""
