"""Networks: one family per file, a row each in ARCHITECTURES."""
