"""SERVE: a classifier behind HTTP."""
