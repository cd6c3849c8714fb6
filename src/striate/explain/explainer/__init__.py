"""A page in which a picture flows through a network, computed in the page from the network's own weights."""
