"""Opens models that come with code, for those who trust it: Python classes, and MLflow's folders that only MLflow opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from noria.core.errors import ArtifactRejected
from noria.core.schema import Kind, Signature, Task
from noria.packaging import python_trial, python_zip
from noria.packaging.mlflow_folder import MlflowModel
from noria.packaging.python_zip import PythonModel

HOW = "if you know who wrote it: `noria deploy … --trust`, nr.deploy(…, trust=True), or NORIA_TRUST_PYTHON=1 for a whole home"


def is_named_class(path: str | Path) -> bool:
    """Whether this names a class rather than a file: "module:Class", or "path/to/file.py:Class"."""
    where, colon, name = str(path).rpartition(":")
    return bool(colon) and name.isidentifier() and bool(where) and not Path(path).exists()


def named_class(path: str | Path, signature: Signature | None, *, trust: bool, files: str | Path | None) -> tuple[PythonModel, Signature]:
    """A class of a source file, or of a module seen from the current folder.

    Raises:
        ArtifactRejected: nobody trusts it, or there is no signature: a class does not say what it takes.
    """
    where, _, name = str(path).rpartition(":")
    if not trust:
        raise ArtifactRejected(f"{path} is Python code, which would run as it is", fix=f"trust it {HOW}")
    if signature is None:
        raise ArtifactRejected(f"{path} does not say what it takes and gives", fix="give a signature: `--signature FILE.json`")
    if where.endswith(".py"):
        return python_zip.of_source(Path(where).expanduser(), name, files=files), signature
    return python_zip.of_source(Path(*where.split(".")).with_suffix(".py"), name, module=where, files=files), signature


def mlflow(folder: Path, found: MlflowModel, signature: Signature | None) -> tuple[PythonModel, Signature]:
    """A folder that MLflow itself opens, in another process, which also says what classes the model has.

    Raises:
        ArtifactRejected: the folder does not say what the model takes or gives, or MLflow cannot open it.
    """
    model = python_zip.of_mlflow(folder)
    if signature is not None:
        return model, signature
    if not found.inputs:
        raise ArtifactRejected(f"the MLflow model in {folder} has no signature", fix="give one: `--signature FILE.json`")
    plain = Signature(inputs=found.inputs, features=found.inputs, task=Task.REGRESSION)
    classes = python_trial.classes(model.content, plain)
    if classes:
        return model, replace(plain, task=Task.BINARY if len(classes) == 2 else Task.MULTICLASS, classes=classes)
    if found.outputs == (Kind.TEXT,):
        raise ArtifactRejected("the MLflow model answers text, and does not say which", fix="give a signature with its classes")
    if found.outputs == (Kind.TENSOR,) or len(found.outputs) > 1:
        return model, replace(plain, task=Task.VECTOR)
    return model, plain
