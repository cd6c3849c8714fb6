"""Predictions for files, folders, videos and tables."""
