"""ANSWER: a classifier on whatever holds pictures, and its answers kept as they come."""
