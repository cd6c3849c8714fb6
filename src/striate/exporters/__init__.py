"""A classifier as a file for another runtime, verified."""
