"""The plan file holds a whole plan at every moment."""

from __future__ import annotations

import pytest

from noria.core.errors import DataInvalid
from noria.stages.serving import whole_files
from noria.stages.serving.plans import publish, read_plan


def test_a_published_plan_is_read_as_it_was(tmp_path, office) -> None:
    plan = office.plan(7, challenger=2, challenger_share=0.1)
    publish(plan, tmp_path / "plan" / "plan.json")
    assert read_plan(tmp_path / "plan" / "plan.json") == plan


def test_before_the_first_there_is_none(tmp_path) -> None:
    assert read_plan(tmp_path / "plan.json") is None


def test_a_spoilt_plan_is_refused(tmp_path) -> None:
    (tmp_path / "plan.json").write_text('{"revision": 1, "routes"')
    with pytest.raises(DataInvalid):
        read_plan(tmp_path / "plan.json")


def test_a_crash_while_publishing_leaves_the_old_plan(tmp_path, office, monkeypatch) -> None:
    file = tmp_path / "plan.json"
    publish(office.plan(1), file)

    def power_cut(descriptor: int) -> None:
        raise SystemExit("power cut")

    monkeypatch.setattr(whole_files.os, "fsync", power_cut)
    with pytest.raises(SystemExit):
        publish(office.plan(2), file)
    assert read_plan(file).revision == 1
