"""The search for a good recipe: its space, its course and its results."""
