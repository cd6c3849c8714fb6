"""SHIP: a classifier as one file of another program's format, its preprocessing contract and class names inside."""
