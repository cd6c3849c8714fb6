"""Charts without matplotlib: laid out once from plain numbers, rendered as SVG for pages and as PNG for files."""
