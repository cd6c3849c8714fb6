"""From data to a finished run, and what is done with a run: one task a file."""
