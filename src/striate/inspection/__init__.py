"""Looking before training: what the pictures are, and what is wrong with them."""
