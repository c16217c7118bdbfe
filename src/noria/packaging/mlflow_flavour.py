"""An MLflow model that only MLflow can open: loaded by it, in a process of its own, and asked as it wants to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from noria.core.errors import Unavailable
from noria.core.schema import Signature, Task


class MlflowFlavour:
    """A model behind `mlflow.pyfunc`; a classifier of scikit-learn's kind gives its probabilities.

    Raises:
        Unavailable: mlflow is not installed where the model runs.
    """

    takes = "columns"

    def __init__(self, folder: Path, signature: Signature) -> None:
        try:
            import mlflow.pyfunc
        except ImportError as error:
            raise Unavailable("the model can only be opened by mlflow, which is not installed here", fix="pip install mlflow") from error
        self._model = mlflow.pyfunc.load_model(str(folder))
        self._schema = self._model.metadata.get_input_schema()
        raw = _raw(self._model)
        self.classes = list(getattr(raw, "classes_", ())) if hasattr(raw, "predict_proba") else []
        self._chances: Any = getattr(raw, "predict_proba", None) if signature.task in (Task.BINARY, Task.MULTICLASS) else None

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Answers to columns, in the types that the model's own schema names."""
        table = self._table(columns)
        if self._chances is not None:
            return np.asarray(self._chances(table))
        given = self._model.predict(table)
        return np.asarray(given.to_numpy() if hasattr(given, "to_numpy") else given)

    def _table(self, columns: Mapping[str, np.ndarray]) -> Any:
        import pandas as pd

        if self._schema is not None and self._schema.is_tensor_spec():
            named = {one.name: columns[one.name] for one in self._schema.inputs if one.name}
            return named if named else list(columns.values())[0]  # noqa: RUF015
        types = {one.name: one.type.to_numpy() for one in self._schema.inputs} if self._schema is not None else {}
        return pd.DataFrame({name: _typed(column, types.get(name)) for name, column in columns.items()})


def _raw(model: Any) -> Any:
    """The model behind the wrapping; None where its flavour has none of its own."""
    try:
        return model.get_raw_model()
    except (AttributeError, NotImplementedError):
        return None


def _typed(column: np.ndarray, dtype: Any) -> np.ndarray:
    if dtype is None or column.dtype == object:
        return column
    if np.dtype(dtype).kind in "iub" and np.isnan(column).any():
        return column
    if np.dtype(dtype).kind == "M":
        return (column * 1e6).astype("datetime64[us]")
    return column.astype(dtype)
