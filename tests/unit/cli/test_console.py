from __future__ import annotations

import json

import pytest
import typer

from noria.cli.asking import feedback
from noria.cli.console import plainly


def test_a_file_that_cannot_be_used_is_told_in_words(tmp_path, capsys) -> None:
    @plainly
    def read() -> None:
        (tmp_path / "absent").read_text()

    with pytest.raises(typer.Exit):
        read()
    assert "absent: no such file or directory" in capsys.readouterr().err


def test_a_line_of_outcomes_that_is_not_json_is_named(tmp_path, capsys) -> None:
    file = tmp_path / "told.jsonl"
    file.write_text('{"id": "a", "value": 1}\n\n{bad\n')
    with pytest.raises(typer.Exit):
        feedback("late", file=file, as_json=True)
    assert "line 3, is not JSON" in json.loads(capsys.readouterr().out)["error"]["message"]
