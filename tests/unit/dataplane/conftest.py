"""The serving station's fakes, for the transports over it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("serving_fakes", Path(__file__).parents[1] / "stages" / "serving" / "conftest.py")
_fakes = importlib.util.module_from_spec(_spec)
sys.modules["serving_fakes"] = _fakes
_spec.loader.exec_module(_fakes)

at_work, office = _fakes.at_work, _fakes.office
