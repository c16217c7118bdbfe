import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.core.errors import RequestInvalid
from noria.ledger.models.rules import check_alias, check_key, check_name, check_number, check_stage, check_tags


@pytest.mark.parametrize("name", ["churn", "Churn model v2", "ünï", "a.b-c_d", ".a", "x" * 256])
def test_names_may_be_anything_that_is_one_place(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Missing value for required parameter 'name'"),
        ("  ", "Missing value for required parameter 'name'"),
        ("a/b", "Names cannot contain '/' or ':'"),
        ("a:b", "Names cannot contain '/' or ':'"),
        ("..a", "must not resolve to other names"),
        ("..", "must not resolve to other names"),
        (".", "must not resolve to other names"),
        ("x" * 257, "exceeds the maximum length"),
    ],
)
def test_names_that_lead_elsewhere_or_say_nothing_are_refused(name, said):
    with pytest.raises(RequestInvalid, match=said):
        check_name(name)


@pytest.mark.parametrize("alias", ["champion", "Best-1", "v1a", "_", "ünï"])
def test_aliases_are_words(alias):
    assert check_alias(alias) == alias


@pytest.mark.parametrize(
    ("alias", "said"),
    [
        ("", "cannot be empty"),
        ("a b", "may only contain"),
        ("a/b", "may only contain"),
        ("Latest", "'latest' alias name"),
        ("v12", "'v12' is reserved"),
        ("V1", "'V1' is reserved"),
        ("x" * 256, "maximum length of 255"),
    ],
)
def test_aliases_that_a_number_or_the_latest_stands_behind_are_reserved(alias, said):
    with pytest.raises(RequestInvalid, match=said):
        check_alias(alias)


def test_reserved_aliases_may_be_asked_for():
    assert check_alias("latest", reserved=True) == "latest"


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", "a*b", "a,b", "x" * 251])
def test_keys_of_tags_are_plain_paths(key):
    with pytest.raises(RequestInvalid):
        check_key(key)


def test_a_prompt_that_is_too_long_is_told_as_one():
    with pytest.raises(RequestInvalid, match="Prompt text exceeds max length of 100000 characters"):
        check_tags({"mlflow.prompt.text": "x" * 100_001})


@given(st.text(max_size=30))
def test_whatever_is_said_to_be_a_version_is_a_number_or_refused(text):
    try:
        assert 0 <= check_number(text) < 2**31
    except RequestInvalid as error:
        assert "must be an integer" in str(error)


def test_stages_are_known_in_any_case():
    assert check_stage("pRoduction") == "Production"
    with pytest.raises(RequestInvalid, match="Value must be one of None, Staging, Production, Archived"):
        check_stage("")
