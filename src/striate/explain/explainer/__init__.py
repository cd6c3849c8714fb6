"""A page in which an image flows through a model, computed in the page from the model's own weights."""
