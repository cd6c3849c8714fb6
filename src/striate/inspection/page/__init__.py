"""The page about a data set."""
