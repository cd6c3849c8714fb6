"""Pages: one HTML file each, without a network, in one look."""
