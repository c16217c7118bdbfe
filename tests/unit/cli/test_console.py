from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from noria.cli.asking import feedback
from noria.cli.console import plainly
from noria.cli.main import app
from noria.core.errors import SettingsInvalid


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


@pytest.mark.parametrize(("command", "said"), [("anomalies", "[nr.anomalies()]"), ("silence", "[nr.Quiet(")])
def test_help_shows_lists_of_a_loop_file_whole(command, said) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert said in shown.stdout


def test_an_errors_mend_shows_the_extra_that_is_missing(capsys) -> None:
    @plainly
    def fails() -> None:
        raise SettingsInvalid("a driver is missing", fix='pip install "noria[postgres]"')

    with pytest.raises(typer.Exit):
        fails()
    assert 'pip install "noria[postgres]"' in capsys.readouterr().err
