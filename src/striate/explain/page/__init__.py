"""Templates, styles and scripts of the pages that explain."""
