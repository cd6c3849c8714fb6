"""Predictions for more images than fit in memory, resumable."""
