"""Compiles scikit-learn models to ONNX graphs, which answer a single row hundreds of times faster."""

from __future__ import annotations

import sys
from typing import Any

from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from noria.packaging import forest_nodes, hist_trees
from noria.packaging.forest_graph import graph_of

_IMPUTER = "NoriaSimpleImputer"
_OPTIONS = {"nocl": [True, False], "zipmap": [True, False, "columns"], "output_class_labels": [False, True], "raw_scores": [True, False]}
_BOOSTED = {
    "sklearn.ensemble": ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
    "xgboost": ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor"),
}
"""Module to those of its classes that may stand in a pipeline."""


def compile_estimator(model: Any, width: int, *, double: bool = False) -> bytes:
    """A fitted scikit-learn model (with parts of LightGBM or XGBoost, if it has any) as a graph of one float matrix.

    Args:
        double: Compute in float64 as the model does, where float32 is too coarse: moments, large numbers.

    Raises:
        Exception: whatever the converter meets: not every estimator has a conversion.
    """
    if hist_trees.is_hist(model):
        return graph_of(hist_trees.forest_of(model))
    _teach_trees()
    _teach_imputer()
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    matrix = [("X", (DoubleTensorType if double else FloatTensorType)([None, width]))]
    return bytes(to_onnx(model, initial_types=matrix, options=options, target_opset={"": 17, "ai.onnx.ml": 3}).SerializeToString())


def _teach_trees() -> None:
    """Put our conversion of boosted trees in the place of those that fail, or that know float32 only."""
    for module, names in _BOOSTED.items():
        if module not in sys.modules:
            continue
        for name in names:
            kind = getattr(sys.modules[module], name)
            if name.endswith("Classifier"):
                shape, convert, options = calculate_linear_classifier_output_shapes, forest_nodes.convert_classifier, _OPTIONS
            else:
                shape, convert, options = calculate_linear_regressor_output_shapes, forest_nodes.convert_regressor, None
            update_registered_converter(kind, f"Noria{name}", shape, convert, options=options)


def _teach_imputer() -> None:
    """Fill in float64 too: ONNX's own Imputer knows float32 and whole numbers only."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import get_converter, get_shape_calculator
    from sklearn.impute import SimpleImputer

    known = sklearn_operator_name_map[SimpleImputer]
    if known == _IMPUTER:
        return
    usual = get_converter(known)
    update_registered_converter(
        SimpleImputer,
        _IMPUTER,
        get_shape_calculator(known),
        lambda scope, operator, container: (forest_nodes.fill if _fills_doubles(operator) else usual)(scope, operator, container),
    )


def _fills_doubles(operator: Any) -> bool:
    """Whether a step fills NaN among float64 values and does nothing more."""
    step = operator.raw_operator
    return (
        len(operator.inputs) == 1
        and isinstance(operator.inputs[0].type, DoubleTensorType)
        and step.missing_values != step.missing_values
        and not step.add_indicator
        and not any(value != value for value in step.statistics_)
    )
