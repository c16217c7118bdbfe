"""Two headers name the version that a caller wants, in every protocol."""

from __future__ import annotations

import pytest

from noria.core.errors import RequestInvalid
from noria.core.traffic import Role
from noria.dataplane.asked import asking
from noria.dataplane.exchange import Call
from noria.stages.serving.asks import PLAIN, Asking


def called(**headers: str) -> Call:
    return Call(method="POST", path="/predict/late", headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("headers", "version", "wanted"),
    [
        ({}, None, PLAIN),
        ({}, 3, Asking(version=3)),
        ({"x_noria_version": "3"}, None, Asking(version=3)),
        ({"x_noria_version": "3"}, 3, Asking(version=3)),
        ({"x_noria_role": "challenger"}, None, Asking(role=Role.CHALLENGER)),
        ({"x_noria_role": "champion"}, None, Asking(role=Role.CHAMPION)),
    ],
)
def test_headers_name_a_version_or_a_role(headers, version, wanted):
    assert asking(called(**headers), version=version) == wanted


@pytest.mark.parametrize(
    ("headers", "version", "field"),
    [
        ({"x_noria_version": "three"}, None, "x-noria-version"),
        ({"x_noria_version": "-1"}, None, "x-noria-version"),
        ({"x_noria_version": "٣"}, None, "x-noria-version"),
        ({"x_noria_version": "2"}, 3, "x-noria-version"),
        ({"x_noria_role": "shadow"}, None, "x-noria-role"),
        ({"x_noria_role": "champion"}, 3, "x-noria-role"),
    ],
)
def test_headers_that_name_nothing_or_two_things_are_refused(headers, version, field):
    with pytest.raises(RequestInvalid) as refused:
        asking(called(**headers), version=version)
    assert set(refused.value.fields) == {field}
