"""The whole flow: data → splits → training → report → run folder."""

from striate.experiment.flow import train
from striate.experiment.results import measure_again

__all__ = ["measure_again", "train"]
