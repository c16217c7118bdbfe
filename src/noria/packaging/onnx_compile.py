"""Compiles scikit-learn models to ONNX graphs, which answer a single row hundreds of times faster."""

from __future__ import annotations

import sys
from typing import Any

from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)


def compile_estimator(model: Any, width: int) -> bytes:
    """A fitted scikit-learn model (with LightGBM parts, if it has any) as a graph of one float matrix.

    Raises:
        Exception: whatever the converter meets: not every estimator has a conversion.
    """
    if "lightgbm" in sys.modules:
        _teach_lightgbm()
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    matrix = [("X", FloatTensorType([None, width]))]
    return bytes(to_onnx(model, initial_types=matrix, options=options, target_opset={"": 17, "ai.onnx.ml": 3}).SerializeToString())


def _teach_lightgbm() -> None:
    """Register the converters of LightGBM's scikit-learn classes."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    update_registered_converter(
        LGBMClassifier,
        "NoriaLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        LGBMRegressor, "NoriaLGBMRegressor", calculate_linear_regressor_output_shapes, convert_lightgbm, options={"split": None}
    )
