"""A service as a careful person writes it by hand with FastAPI: named, typed fields, the model in memory, one thread.

uvicorn fastapi_app:app
"""

import os
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, create_model

sys.path.insert(0, str(Path(__file__).parent.parent))
from servers.models import NUMBERS, pipeline

FOLDER = Path(os.environ["BENCH_FOLDER"])
TREES = lightgbm.Booster(model_file=str(FOLDER / "trees.txt"))
PIPELINE = pipeline(FOLDER)
Trees = create_model("Trees", **dict.fromkeys(NUMBERS, (float, ...)))
Mixed = create_model("Mixed", **dict.fromkeys(NUMBERS[:10], (float, ...)), city=(str, ...))
app = FastAPI()


class TreeRows(BaseModel):
    rows: list[Trees]


class MixedRows(BaseModel):
    rows: list[Mixed]


@app.get("/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/trees")
async def trees(asked: TreeRows) -> dict[str, list[float]]:
    X = np.array([[getattr(row, name) for name in NUMBERS] for row in asked.rows])
    return {"predictions": TREES.predict(X, num_threads=1).tolist()}


@app.post("/pipeline")
async def mixed(asked: MixedRows) -> dict[str, list[float]]:
    frame = pd.DataFrame([row.model_dump() for row in asked.rows])
    return {"predictions": PIPELINE.predict_proba(frame)[:, 1].tolist()}
