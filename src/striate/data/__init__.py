"""Images in: image sets, loaders, splits, decoding and batches."""
