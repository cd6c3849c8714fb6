"""Runs side by side, and whether their difference is real."""
