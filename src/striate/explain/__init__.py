"""What a classifier computes of an image."""
