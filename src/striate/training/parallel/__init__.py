"""TOGETHER: one training by several processes, each with its share of every batch, all with the same weights."""
