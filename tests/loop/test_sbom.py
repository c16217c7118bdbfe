"""A version's bill of materials names what it is made of, in a form that CycloneDX's own schema takes."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy
import pytest

from noria.core.registry import ModelVersion
from noria.loop.reproducing import taken
from noria.packaging.locks import read_environment
from noria.packaging.sbom import cyclonedx


@pytest.fixture
def bill(noria):
    one = noria()
    one.be_born()
    (version,) = one.world.documents.find(ModelVersion)
    lock = read_environment(one.world.blobs.read(version.candidate.provenance.environment))
    datasets = {name: found.digest for name, found in taken(one.world, version).items()}
    return version, cyclonedx(version, lock, datasets, at=one.clock.at, noria="0.1.0")


def test_it_names_the_model_its_data_its_marks_and_every_distribution(bill):
    version, found = bill
    model = found["metadata"]["component"]
    assert (model["name"], model["version"], model["hashes"][0]["content"]) == ("orders", "1", version.candidate.artifact[7:])
    assert [one["name"] for one in model["modelCard"]["modelParameters"]["datasets"]] == ["shop", "town"]
    assert "roc_auc" in {one["type"] for one in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    purls = [one.get("purl") for one in found["components"]]
    assert f"pkg:pypi/numpy@{numpy.__version__}" in purls
    assert set(found["dependencies"][0]["dependsOn"]) == {one["bom-ref"] for one in found["components"]}


def test_the_standards_own_schema_takes_it(bill):
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib carries the schema")
    import jsonschema
    from referencing import Registry, Resource

    folder = Path(import_module("cyclonedx.schema").__file__).parent / "_res"
    schemas = {name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text()) for name in ("bom-1.6", "spdx", "jsf-0.82")}
    registry = Registry().with_resources([(schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()])
    problems = list(jsonschema.Draft7Validator(schemas["bom-1.6"], registry=registry).iter_errors(bill[1]))
    assert [problem.message[:300] for problem in problems] == []
