"""The machine: backend, files, signals, downloads."""
