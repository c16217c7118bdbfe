"""What `noria explain` refuses before it looks at anything."""

import pytest
import typer

from noria.cli.explaining import explain


def test_an_adverse_way_that_is_none_is_refused_with_the_two_that_are(capsys, tmp_path):
    with pytest.raises(typer.Exit):
        explain("orders", "r1", adverse="sideways", never=None, home=tmp_path, as_json=False)
    assert "--adverse higher, or --adverse lower" in capsys.readouterr().err
