"""What a model file says of its own inputs and answers, so that it can be served without a word from anybody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from noria.core.errors import ArtifactRejected
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import catboost_trees, xgboost_trees

GIVE_ONE = "give a signature, or an example whose columns have names"

_MULTICLASS = ("multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr")
_BINARY = ("binary", "cross_entropy", "xentropy")
_RANKING = ("lambdarank", "rank_xendcg", "xendcg", "xe_ndcg")


def of_estimator(model: Any) -> Signature:
    """The signature of a fitted model in scikit-learn's manner: its inputs are numbers.

    Raises:
        ArtifactRejected: it does not say how many inputs it has.
    """
    names = getattr(model, "feature_names_in_", None)
    width = getattr(model, "n_features_in_", None)
    if width is None:
        raise ArtifactRejected(f"{type(model).__name__} does not say how many inputs it has", fix=GIVE_ONE)
    fields = numbers(map(str, names) if names is not None else unnamed(int(width)))
    classes = getattr(model, "classes_", None)
    if classes is None or not hasattr(model, "predict_proba"):
        return Signature(inputs=fields, features=fields, task=Task.REGRESSION)
    return classifier(fields, [str(one) for one in classes])


def classifier(fields: tuple[Field, ...], classes: Sequence[str]) -> Signature:
    """A signature of probabilities, of two classes or of many."""
    task = Task.BINARY if len(classes) == 2 else Task.MULTICLASS
    return Signature(inputs=fields, features=fields, task=task, classes=tuple(classes))


def numbers(names: Any) -> tuple[Field, ...]:
    """Fields of these names that hold a number each, or nothing."""
    return tuple(Field(name=name, kind=Kind.FLOAT, required=False) for name in names)


def unnamed(width: int) -> list[str]:
    """Names for columns that have none."""
    return [f"x{place}" for place in range(width)]


def of_lightgbm(content: bytes) -> Signature:
    """The signature of a LightGBM text."""
    head = dict(line.split("=", 1) for line in content[: content.find(b"\n\n")].decode(errors="replace").splitlines() if "=" in line)
    names = head.get("feature_names", "").split()
    if not names:
        raise ArtifactRejected("the LightGBM text names no features", fix=GIVE_ONE)
    fields = _with_categories(names, head.get("feature_infos", "").split(), content)
    objective = (head.get("objective", "").split() or [""])[0]
    many = int(head.get("num_class", "1"))
    if objective in _MULTICLASS:
        return classifier(fields, [str(place) for place in range(many)])
    if objective in _BINARY:
        return classifier(fields, ["0", "1"])
    return Signature(inputs=fields, features=fields, task=Task.RANKING if objective in _RANKING else Task.REGRESSION)


def _with_categories(names: Sequence[str], infos: Sequence[str], content: bytes) -> tuple[Field, ...]:
    """Text fields for columns that were pandas categories: LightGBM keeps their values, and sees their codes."""
    kept = content.rfind(b"\npandas_categorical:")
    values = json.loads(content[kept:].split(b":", 1)[1].split(b"\n", 1)[0]) if kept >= 0 else None
    if not values:
        return numbers(names)
    places = [place for place, info in enumerate(infos) if ":" in info and not info.startswith("[")]
    if len(places) != len(values) or not all(isinstance(value, str) for column in values for value in column):
        raise ArtifactRejected("the LightGBM text does not say which of its columns hold which categories", fix=GIVE_ONE)
    categories = dict(zip(places, values, strict=True))
    return tuple(
        Field(name=name, kind=Kind.TEXT, required=False, categories=tuple(categories[place]))
        if place in categories
        else Field(name=name, kind=Kind.FLOAT, required=False)
        for place, name in enumerate(names)
    )


def of_xgboost(content: bytes) -> Signature:
    """The signature of an XGBoost JSON or UBJ file."""
    try:
        learner = xgboost_trees.document(content)["learner"]
        told = learner["learner_model_param"]
        names = learner.get("feature_names") or unnamed(int(told["num_feature"]))
        objective, many = str(learner["objective"]["name"]), int(told["num_class"])
        targets = int(told.get("num_target", 1))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactRejected(f"the XGBoost file does not say what it takes and gives: {error}", fix=GIVE_ONE) from error
    fields = numbers(names)
    if objective.startswith("multi:"):
        return classifier(fields, [str(place) for place in range(many)])
    if objective == "binary:logistic":
        return classifier(fields, ["0", "1"])
    if targets > 1:
        return Signature(inputs=fields, features=fields, task=Task.VECTOR, width=targets)
    return Signature(inputs=fields, features=fields, task=Task.RANKING if objective.startswith("rank:") else Task.REGRESSION)


def of_catboost(content: bytes) -> Signature:
    """The signature of a CatBoost JSON file."""
    try:
        said = catboost_trees.document(content)
        floats = sorted(said["features_info"]["float_features"], key=lambda one: one["flat_feature_index"])
        loss = str(said["model_info"]["params"]["loss_function"]["type"])
        classes = [str(name) for name in (said["model_info"].get("class_params") or {}).get("class_names") or ()]
        names = [str(one["feature_id"]) for one in floats]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactRejected(f"the CatBoost file does not say what it takes and gives: {error}", fix=GIVE_ONE) from error
    fields = numbers(names if all(names) and len(set(names)) == len(names) else unnamed(len(names)))
    if loss in ("Logloss", "CrossEntropy") or loss.startswith("MultiClass"):
        return classifier(fields, classes or ["0", "1"])
    return Signature(inputs=fields, features=fields, task=Task.RANKING if loss in catboost_trees.RANKERS else Task.REGRESSION)
