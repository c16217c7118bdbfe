"""A model is kept without pickle, in a folder that MLflow's own reader and Noria's open with the same answers."""

import numpy as np
import pytest
import xgboost
from lightgbm import LGBMClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from noria.client.frameworks import models
from noria.core.errors import ArtifactRejected
from noria.packaging import mlflow_folder

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(100, 3))
y = (X[:, 0] > 0).astype(int)

FITTED = {
    "lightgbm": lambda: LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, y),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, y),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y),
    "line": lambda: LinearRegression().fit(X, X[:, 0]),
}


def written(model, folder):
    folder.mkdir()
    for path, content in models.folder(model, run="abc").items():
        (folder / path).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", FITTED)
def test_noria_opens_it_without_running_anything(name, tmp_path):
    folder = written(FITTED[name](), tmp_path / "model")
    found = mlflow_folder.read(folder)
    assert found.file is not None
    assert found.file.name.startswith("model.")
    assert len(found.inputs) == 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FITTED)
def test_mlflow_opens_it_and_answers_the_same(name, tmp_path):
    pytest.importorskip("mlflow.sklearn")
    import mlflow.pyfunc

    fitted = FITTED[name]()
    model = mlflow.pyfunc.load_model(str(written(fitted, tmp_path / "model")))
    given = {field.name: X[:, place] for place, field in enumerate(mlflow_folder.read(tmp_path / "model").inputs)}
    import pandas

    told = np.asarray(model.predict(pandas.DataFrame(given)))
    ours = fitted.predict_proba(X)[:, 1] if name in ("lightgbm", "xgboost") else fitted.predict(X)
    assert told.reshape(-1) == pytest.approx(np.asarray(ours, dtype=float), abs=1e-5)


def test_a_model_that_only_pickle_could_hold_is_refused_with_what_to_do():
    with pytest.raises(ArtifactRejected, match="without pickle"):
        models.folder(object(), run="abc")
