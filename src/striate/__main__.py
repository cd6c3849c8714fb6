"""`python -m striate` is the command `striate`."""

import sys

from striate.cli import run

sys.exit(run())
