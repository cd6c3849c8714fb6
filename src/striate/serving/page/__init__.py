"""The page at `/`: a picture in, and what the classifier says of it."""
