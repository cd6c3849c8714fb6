"""Architectures, weights, and a compiled forward pass."""
