"""What every route of every server asks of its caller, and that it is on the record who did what."""

import asyncio

import httpx
import pytest
from sample import LOOP

from noria.core.rights import ANYWHERE, Principal, Right, Role
from noria.dataplane.exchange import Endpoint
from noria.server.application import create_app
from noria.server.mlflow.table import ENDPOINTS
from noria.server.rights import rights_of
from noria.server.shown import SAFE

OPEN = {"/health/live", "/health/ready", "/static", "/api/v1/openapi.json", "/login"}
OWN = {"/me", "/logout", "/me/tokens", "/me/tokens/{id}/revoke", "/me/sessions/{id}/end"}
"""What whoever is known may, about themselves."""


def test_every_route_of_the_control_plane_declares_a_right(app):
    told = list(rights_of(app))
    assert len(told) > 60
    assert [route for route in told if route[2] is None] == []
    assert {path for _, path, right in told if right is Right.NONE} <= OPEN | OWN
    weak = [
        (method, path)
        for method, path, right in told
        if method not in SAFE and path not in OPEN | OWN and right in (Right.NONE, Right.VIEW)
    ]
    assert weak == []


def test_every_endpoint_of_mlflows_protocol_declares_a_right_and_changes_nothing_for_viewers():
    searches = {
        "search",
        "get-latest-versions",
        "metrics/get-history",
        "get-trace",
        "batchGet",
        "search-traces",
        "calculate",
        "query",
        "traces/metrics",
    }
    for endpoint in ENDPOINTS:
        assert isinstance(endpoint.right, Right), endpoint.path
        if endpoint.right is Right.NONE:
            assert endpoint.path in ("/health", "/version", "/api/3.0/mlflow/server-info"), endpoint.path
        if endpoint.method not in SAFE and endpoint.right is Right.VIEW:
            assert any(word in endpoint.path for word in searches), endpoint.path


def test_every_endpoint_of_the_data_plane_says_whether_it_is_open_and_whose_it_is():
    fields = Endpoint.__dataclass_fields__
    assert fields["open"].default is False  # what says nothing is asked for a key or the token
    assert callable(fields["deployment"].default)


ORDERS = [
    (f"/api/v1/loops/{LOOP}/kill", {}, Right.OPERATE),
    (f"/api/v1/loops/{LOOP}/promote", {"version": 2}, Right.OPERATE),
    ("/api/v1/deployments/x/undeploy", {}, Right.OPERATE),
    (f"/api/v1/loops/{LOOP}/fire-drill", {}, Right.OPERATE),
    ("/api/v1/turns/turn_x/approve", {"granted": True}, Right.APPROVE),
    (f"/api/v1/deployments/{LOOP}/keys", {}, Right.ADMIN),
    (f"/api/v1/anomalies/{LOOP}-2/decide", {"state": "seen"}, Right.CONTRIBUTE),
]


@pytest.fixture
def services(tmp_path):
    from sample import SampleServices

    return SampleServices(tmp_path)


@pytest.fixture
def people(services):
    """A token of each role."""
    for role in Role:
        services.access.users.add(f"the-{role}", roles={"default": role}, by="home")
    return {role: {"Authorization": f"Bearer {services.access.tokens.add(f'the-{role}', by='home')[0]}"} for role in Role}


@pytest.mark.parametrize(("path", "body", "right"), ORDERS)
def test_nobody_orders_what_their_role_does_not_reach(closed, services, people, path, body, right):
    for role, shows in people.items():
        may = Principal(name="x", roles={ANYWHERE: role}).may(right)
        assert (closed.post(path, json=body, headers=shows).status_code == 403) is not may, (role, path)


def test_a_role_of_another_project_reaches_nothing_here(closed, services):
    services.access.users.add("eve", roles={"lab": Role.ADMIN}, by="home")
    shows = {"Authorization": f"Bearer {services.access.tokens.add('eve', by='home')[0]}"}
    assert closed.get("/api/v1/loops", headers=shows).status_code == 403
    assert closed.post(f"/api/v1/loops/{LOOP}/kill", json={}, headers=shows).status_code == 403


def test_who_is_not_known_reads_nothing_where_everybody_is_asked(closed):
    for path in ("/api/v1/loops", "/metrics", "/api/v1/events", "/charts/quality.json"):
        assert closed.get(path).status_code == 401, path
    assert closed.get("/health/live").status_code == 200 and closed.get("/static/noria.css").status_code == 200


def test_nobody_orders_in_anothers_name(closed, services, people):
    assert closed.post(f"/api/v1/loops/{LOOP}/kill", json={"by": "grace"}, headers=people[Role.OPERATOR]).status_code == 200
    assert services.asked[-1] == ("kill", LOOP, "the-operator", "")
    home = {"Authorization": "Bearer sample-token"}
    closed.post(f"/api/v1/loops/{LOOP}/kill", json={"by": "grace"}, headers=home)
    assert services.asked[-1] == ("kill", LOOP, "grace", "")
    closed.post(f"/api/v1/loops/{LOOP}/kill", json={}, headers=home)
    assert services.asked[-1][2] == "somebody with the token"


def test_every_order_is_on_the_record_with_who_what_and_from_where(closed, services, people):
    closed.post(f"/api/v1/loops/{LOOP}/kill", json={}, headers=people[Role.OPERATOR])
    closed.post(f"/api/v1/loops/{LOOP}/kill", json={}, headers=people[Role.VIEWER])
    closed.post(f"/api/v1/loops/{LOOP}/kill", json={})
    closed.get("/api/v1/loops", headers=people[Role.VIEWER])
    audit = services.access.audit
    (line,) = audit.lines()
    assert (line.by, line.what, line.on, line.status) == ("the-operator", "POST /api/v1/loops/{name}/kill", LOOP, 200)
    assert line.token and line.address == "127.0.0.1"
    audit.flush()
    assert sorted((one.by, one.status) for one in audit.lines()) == [("", 401), ("the-operator", 200), ("the-viewer", 403)]
    assert [one.status for one in audit.lines(by="the-viewer")] == [403]


def test_contributions_are_counted_not_told_one_by_one(closed, services, people):
    for _ in range(5):
        closed.post(f"/api/v1/anomalies/{LOOP}-2/decide", json={"state": "seen"}, headers=people[Role.CONTRIBUTOR])
    assert services.access.audit.lines() == []
    services.access.audit.flush()
    (line,) = services.access.audit.lines()
    assert (line.calls, line.on, line.by) == (5, f"{LOOP}-2", "the-contributor")


def test_no_secret_is_in_the_record_or_the_answers(closed, services, people):
    secret = people[Role.OPERATOR]["Authorization"].split()[1]
    told = closed.post(f"/api/v1/loops/{LOOP}/kill?token={secret}", json={"reason": "x"}, headers={"Authorization": f"Basic {secret}"})
    services.access.audit.flush()
    assert secret not in told.text and secret not in str(services.access.audit.lines()) and secret not in str(services.ledger.events())


def test_an_authorization_that_is_sent_twice_is_refused(services):
    app = create_app(services)

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
            twice = [("authorization", "Bearer sample-token"), ("authorization", "Bearer other")]
            return await client.get("/api/v1/loops", headers=twice)

    assert asyncio.run(ask()).status_code == 422


def test_another_sites_page_orders_nothing_while_nobody_is_asked(ask, services):
    for told in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert ask.post(f"/api/v1/loops/{LOOP}/kill", json={}, headers=told).status_code == 403
    assert services.asked == []
    assert ask.post(f"/api/v1/loops/{LOOP}/kill", json={}).status_code == 200
