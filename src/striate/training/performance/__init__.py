"""What makes a training step fast, chosen by measurement."""
