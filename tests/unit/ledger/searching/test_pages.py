"""Pages and their tokens."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.core.errors import RequestInvalid
from noria.ledger.searching.pages import after_token, page_size, page_token, query_mark

QUERY = query_mark("runs", ["1"], "metrics.a > 1", [])


@pytest.mark.parametrize(("asked", "size"), [(None, 100), (1, 1), (500, 500)])
def test_a_page_has_as_many_rows_as_were_asked_for(asked, size):
    assert page_size(asked, usual=100, most=500) == size


@pytest.mark.parametrize(("asked", "message"), [(0, "a positive integer"), (-3, "a positive integer"), (501, "at most 500")])
def test_another_size_is_refused(asked, message):
    with pytest.raises(RequestInvalid, match=f"Invalid value {asked} for parameter 'max_results' supplied. It must be {message}"):
        page_size(asked, usual=100, most=500)


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**62), 2**62),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
        )
    )
)
def test_a_token_names_the_row_that_it_was_made_of(marks):
    assert after_token(page_token(QUERY, marks), QUERY, marks=len(marks)) == tuple(marks)


def test_no_token_is_the_first_page():
    assert after_token(None, QUERY, marks=2) is None
    assert after_token("", QUERY, marks=2) is None


def _encoded(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "not base64",
        base64.b64encode(b"not json").decode(),
        _encoded({}),
        _encoded([]),
        _encoded({"offset": 7}),
        _encoded({"q": QUERY, "after": [1]}),
        _encoded({"q": QUERY, "after": [1, True]}),
        _encoded({"q": QUERY, "after": [1, [2]]}),
        _encoded({"q": QUERY, "after": [1, 2**64]}),
        _encoded({"q": QUERY, "after": [1, "\0"]}),
        _encoded({"q": QUERY, "after": [1, "\ud800"]}),
        _encoded({"q": query_mark("other"), "after": [1, 2]}),
        base64.b64encode(b'{"q": "' + QUERY.encode() + b'", "after": [NaN, 1e999]}').decode(),
        base64.b64encode(b"[" * 100_000).decode(),
        "A" * 300_000,
        "\ud800",
        "ü",
    ],
)
def test_a_token_of_another_make_is_refused(token):
    with pytest.raises(RequestInvalid, match="Invalid page token"):
        after_token(token, QUERY, marks=2)


@given(st.text())
def test_no_text_makes_anything_but_a_row_or_a_refusal(text):
    try:
        after_token(text, QUERY, marks=1)
    except RequestInvalid as refused:
        assert refused.message
