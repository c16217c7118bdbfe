"""The same models behind BentoML, as its documentation has it: one service, micro-batching on.

bentoml serve bentoml_service:Models
"""

import os
import sys
from pathlib import Path

import bentoml
import lightgbm
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent))
from servers.models import pipeline

FOLDER = Path(os.environ["BENCH_FOLDER"])


@bentoml.service(workers=1)
class Models:
    def __init__(self) -> None:
        self.trees_model = lightgbm.Booster(model_file=str(FOLDER / "trees.txt"))
        self.pipeline_model = pipeline(FOLDER)

    @bentoml.api(batchable=True)
    def trees(self, rows: np.ndarray) -> np.ndarray:
        return self.trees_model.predict(rows, num_threads=1)

    @bentoml.api
    def pipeline(self, rows: list[dict]) -> list[float]:
        return self.pipeline_model.predict_proba(pd.DataFrame(rows))[:, 1].tolist()
