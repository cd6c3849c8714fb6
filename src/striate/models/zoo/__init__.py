"""The built-in architectures, a family a file."""
