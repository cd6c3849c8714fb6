"""Plots and pages: drawing and HTML."""
