"""Networks are kept as the graph that they become, and answer as they did in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noria.adapters.files import Files
from noria.core.errors import ArtifactRejected
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging import package

X = np.random.default_rng(4).normal(size=(60, 4))
FIELDS = tuple(Field(name=name, kind=Kind.FLOAT) for name in "abcd")
IMAGE = Field(name="image", kind=Kind.TENSOR, dtype="float32", shape=(3, 8, 8))
WEIGHT = Field(name="weight", kind=Kind.TENSOR, dtype="float32", shape=(2,))
IMAGES = np.random.default_rng(5).random((10, 3, 8, 8), dtype=np.float32)


def signed(task: Task, fields: tuple[Field, ...] = FIELDS, classes: tuple[str, ...] = (), width: int = 0) -> Signature:
    return Signature(inputs=fields, features=fields, task=task, classes=classes, width=width)


def saved(model: object, signature: Signature, sample, tmp_path: Path):
    blobs = Files(tmp_path / "blobs")
    packed = package.save(model, signature, sample, blobs=blobs, scratch=tmp_path)
    return packed, package.manifest(packed.artifact, blobs=blobs), package.load(packed.artifact, blobs=blobs)


def tabular(torch, *last):
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3), *last)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_torch_module_serves_as_a_graph_that_answers_as_it_did(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = tabular(torch, torch.nn.Softmax(dim=1))
    packed, manifest, scorer = saved(model, signed(Task.MULTICLASS, classes=("x", "y", "z")), X, tmp_path)
    assert (packed.format, packed.serving_form) == ("onnx", "onnx")
    assert packed.parity_max_diff < 1e-5
    assert manifest.libraries["torch"] == torch.__version__
    assert model.training, "the caller's own module is left as it was"
    alone = scorer.score(X[:1])
    assert alone.shape == (1, 3)
    assert alone == pytest.approx(model.eval()(torch.tensor(X[:1], dtype=torch.float32)).detach().numpy(), abs=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_torch_module_may_take_tensors_and_give_a_vector(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Embedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Conv2d(3, 5, 3)

        def forward(self, image, weight):
            return self.inner(image).mean(dim=(2, 3)) * weight[:, :1]

    sample = {"image": IMAGES, "weight": np.ones((10, 2), dtype=np.float32)}
    _, _, scorer = saved(Embedding(), signed(Task.VECTOR, (IMAGE, WEIGHT), width=5), sample, tmp_path)
    assert scorer.takes == "columns"
    assert scorer.score({"image": IMAGES[:3], "weight": sample["weight"][:3]}).shape == (3, 5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_logits_are_not_taken_for_probabilities(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ArtifactRejected, match="not probabilities") as caught:
        saved(tabular(torch), signed(Task.MULTICLASS, classes=("x", "y", "z")), X, tmp_path)
    assert "softmax" in caught.value.fix


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_module_that_no_graph_can_say_is_refused_with_the_exporters_reason(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Branching(torch.nn.Module):
        def forward(self, rows):
            return rows[:, 0] if rows.sum() > 0 else rows[:, 1]

    with pytest.raises(ArtifactRejected, match="cannot export Branching"):
        saved(Branching(), signed(Task.REGRESSION), X, tmp_path)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_keras_model_serves_as_a_graph_that_answers_as_it_did(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    layers = keras.layers
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1, activation="sigmoid")])
    packed, manifest, scorer = saved(model, signed(Task.BINARY, classes=("no", "yes")), X, tmp_path)
    assert packed.format == "onnx"
    assert manifest.libraries["keras"] == keras.__version__
    assert scorer.score(X[:2]) == pytest.approx(model.predict_on_batch(X[:2].astype(np.float32))[:, 0], abs=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_keras_model_of_several_inputs_takes_them_by_name(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    weight, image = keras.Input((2,), name="weight"), keras.Input((3, 8, 8), name="image")
    model = keras.Model([weight, image], keras.layers.Dense(1)(keras.layers.Concatenate()([weight, keras.layers.Flatten()(image)])))
    sample = {"image": IMAGES, "weight": np.ones((10, 2), dtype=np.float32)}
    _, _, scorer = saved(model, signed(Task.REGRESSION, (IMAGE, WEIGHT)), sample, tmp_path)
    assert scorer.score({name: array[:3] for name, array in sample.items()}).shape == (3,)
