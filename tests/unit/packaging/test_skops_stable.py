"""Equal scikit-learn models have equal bytes, whatever addresses their objects had."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from noria.core.ids import digest_of
from noria.packaging import skops_zip
from noria.packaging.skops_stable import stable

X = np.random.default_rng(0).normal(size=(200, 3))
Y = X[:, 0] > 0
MAKERS = {
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "columns": lambda: make_pipeline(ColumnTransformer([("a", StandardScaler(), [0, 1])]), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=1),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_model_that_is_fitted_again_has_the_same_bytes_and_answers(kind):
    first, second = (MAKERS[kind]().fit(X, Y) for _ in range(2))
    assert skops.io.dumps(first) != skops.io.dumps(second)
    content = skops_zip.dump(first)
    assert content == skops_zip.dump(second) == stable(content)
    assert np.array_equal(skops_zip.construct(content).predict_proba(X), first.predict_proba(X))


def test_what_is_shared_stays_shared():
    inner = StandardScaler().fit(X)
    opened = skops_zip.construct(skops_zip.dump(ColumnTransformer([("a", inner, [0]), ("b", inner, [1])]).fit(X)))
    plain = skops.io.loads(skops.io.dumps(ColumnTransformer([("a", inner, [0]), ("b", inner, [1])]).fit(X)))
    assert (opened.transformers[0][1] is opened.transformers[1][1]) == (plain.transformers[0][1] is plain.transformers[1][1])


ELSEWHERE = """
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from noria.core.ids import digest_of
from noria.packaging import skops_zip
X = np.random.default_rng(0).normal(size=(200, 3))
print(digest_of(skops_zip.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 0))))
"""


def test_another_process_writes_the_same_bytes():
    told = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True).stdout.strip()
    assert told == digest_of(skops_zip.dump(MAKERS["pipeline"]().fit(X, Y)))
