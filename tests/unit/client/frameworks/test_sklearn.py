"""An estimator, a pipeline and a search say of themselves what a person would have written down."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import noria as nr
from noria.client.frameworks import sklearn

RANDOM = np.random.default_rng(1)
FRAME = pd.DataFrame(RANDOM.normal(size=(200, 3)), columns=["a", "b", "c"])
KIND = (FRAME["a"] > 0).astype(int)


def test_a_pipeline_tells_parameters_marks_signature_and_importances(run):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(FRAME, KIND)
    sklearn.tell(run, pipeline, FRAME, KIND, "training")
    assert run.given["logisticregression__C"] == 0.5
    assert run.tagged["estimator"] == "Pipeline"
    assert run.curve("training_accuracy")[0] > 0.9
    assert {name for name, _, _ in run.points} == {f"training_{name}" for name in ("accuracy", "f1", "log_loss", "roc_auc")}
    assert run.texts["signature.json"]["inputs"][0] == {"name": "a", "type": "float64"}
    assert run.texts["importance/features.csv"].splitlines()[1].startswith("a,")


def test_a_search_has_a_run_for_each_candidate_and_the_whole_table(run):
    search = GridSearchCV(RandomForestClassifier(random_state=1, n_jobs=1), {"max_depth": [1, 3], "n_estimators": [3]}, cv=2).fit(
        FRAME, KIND
    )
    sklearn.tell(run, search, FRAME, KIND, "training")
    assert run.tagged["best.n_estimators"] == 3
    assert run.curve("best_cv_score") == [pytest.approx(search.best_score_)]
    assert sorted(child.given["max_depth"] for child in run.children) == [1, 3]
    assert all(child.status == "FINISHED" and len(child.curve("mean_test_score")) == 1 for child in run.children)
    assert len(run.texts["cv_results.csv"].splitlines()) == 3


def test_classes_in_words_regressions_and_clusters_have_their_marks():
    words = np.array(["no", "yes", "maybe"])[RANDOM.integers(0, 3, size=200)]
    several = LogisticRegression().fit(FRAME, words)
    assert set(sklearn.marks(several, FRAME, words)) == {"accuracy", "f1", "log_loss", "roc_auc"}
    line = LinearRegression().fit(FRAME, FRAME["a"] * 2)
    assert sklearn.marks(line, FRAME, FRAME["a"] * 2)["r2"] == pytest.approx(1)
    assert set(sklearn.marks(KMeans(2, n_init=1, random_state=1).fit(FRAME), FRAME, KIND)) == {"score"}


def test_marks_on_many_rows_take_an_even_share(monkeypatch):
    monkeypatch.setattr(sklearn, "MARKED_ROWS", 50)
    line = LinearRegression().fit(FRAME, FRAME["a"])
    assert sklearn.marks(line, FRAME, list(FRAME["a"]))["r2"] == pytest.approx(1)


def test_fit_returns_the_fitted_estimator_and_raises_what_fitting_raises(tmp_path, monkeypatch):
    monkeypatch.setenv("NORIA_SPOOL", str(tmp_path))
    with nr.run("r", offline=True, capture=False, system_every_s=0) as run:
        model = run.fit(LinearRegression(), FRAME, FRAME["a"])
        assert model.coef_[0] == pytest.approx(1)
        with pytest.raises(ValueError, match="inconsistent"):
            run.fit(LinearRegression(), FRAME, [1, 2])
    notes = [json.loads(note.read_text())["path"] for note in tmp_path.glob("*/*/files/*.json")]
    assert sorted(notes) == ["importance/features.csv", "signature.json"]


def test_an_estimator_that_says_nothing_ends_nothing(run, caplog):
    from noria.client.told import guarded

    guarded(sklearn.tell, None)(run, object(), None, None, "training")
    assert len(caplog.records) == 1
