"""What a classifier saw: where in a picture the evidence for a class lies."""
