"""Runs the user's train function under a seed, and tells a crash in the user's own words."""

from __future__ import annotations

import random
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from noria.core.declaration.training import Split
from noria.core.errors import JobFailed
from noria.core.training import Param

_NOT_THE_USERS = tuple(
    {
        str(Path(__file__).parents[2]),
        *(path for key, path in sysconfig.get_paths().items() if key in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)


def fit(train: Callable[[Split, dict[str, Param]], Any], split: Split, params: Mapping[str, Param], *, seed: int) -> object:
    """Call `train(split, params)` with `random`, NumPy and, where the loop's file imports it, PyTorch seeded, and return its model.

    String hashing has its seed from the start of the process: whoever starts it sets PYTHONHASHSEED.

    Raises:
        JobFailed: it raised, or returned nothing; `traceback` shows the user's frames.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    try:
        model = train(split, dict(params))
    except Exception as error:
        raise JobFailed(f"train() raised {type(error).__name__}: {error}", traceback=users_traceback(error)) from error
    if model is None:
        raise JobFailed("train() returned None", fix="end `train` with `return model`")
    return model


def users_traceback(error: BaseException) -> str:
    """The traceback without the frames of Noria, and of libraries beyond where the user's code entered them."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [place for place, (frame, _) in enumerate(frames) if _is_users(frame)]
    kept = frames[own[0] : own[-1] + 1] if own else frames[-1:]
    lines = traceback.StackSummary.extract(iter(kept)).format()
    return "Traceback (most recent call last):\n" + "".join([*lines, *traceback.format_exception_only(error)])


def _is_users(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith((*_NOT_THE_USERS, "<frozen"))
