"""Lets tests of this room share rows that are made up."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
