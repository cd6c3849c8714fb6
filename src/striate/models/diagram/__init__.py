"""A model's layers as a figure: pieces.py what is worth drawing, blocks.py how it hangs together, boxes.py and
branches.py how it looks, page.py where it stands.
"""

from striate.models.diagram.network import plot_model

__all__ = ["plot_model"]
