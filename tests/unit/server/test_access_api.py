"""Users, roles, tokens and sessions over HTTP: for admins alone, and never beyond themselves."""

import pytest
from sample import SampleServices

from noria.core.rights import ANYWHERE, Role

SECRET = "correct horse battery"
HOME = {"Authorization": "Bearer sample-token"}


@pytest.fixture
def services(tmp_path):
    services = SampleServices(tmp_path)
    services.access.users.add("ada", roles={ANYWHERE: Role.ADMIN, "lab": Role.VIEWER}, by="home")
    services.access.users.add("root", roles={ANYWHERE: Role.ADMIN}, by="home")
    services.access.users.add("eve", roles={ANYWHERE: Role.OPERATOR, "lab": Role.ADMIN}, by="home")
    return services


@pytest.fixture
def shows(services):
    return lambda name, **more: {"Authorization": f"Bearer {services.access.tokens.add(name, by='home', **more)[0]}"}


def test_a_user_is_made_given_roles_and_taken_away(closed, services, shows):
    root = shows("root")
    made = closed.post("/api/v1/users", json={"name": "Bob", "password": SECRET, "roles": {"default": "viewer"}}, headers=root)
    assert (made.status_code, made.json()["name"], made.json()["password"]) == (201, "bob", True)
    granted = closed.post("/api/v1/users/bob/grant", json={"role": "operator", "reason": "on call"}, headers=root)
    assert granted.json()["roles"] == {"default": "viewer", "*": "operator"}
    taken = closed.post("/api/v1/users/bob/revoke", json={"project": "default"}, headers=root)
    assert taken.json()["roles"] == {"*": "operator"}
    listed = closed.get("/api/v1/users", headers=root)
    assert [one["name"] for one in listed.json()["users"]] == ["ada", "bob", "eve", "root"] and "argon2" not in listed.text
    assert closed.post("/api/v1/users/bob/remove", json={}, headers=root).json()["removed_at"]
    events = [services.ledger.events(kind=kind, limit=100)[-1] for kind in ("role.granted", "user.removed")]
    assert [(one.by, one.subject) for one in events] == [("root", "bob")] * 2


def test_a_token_is_shown_once_and_opens_nothing_when_it_is_revoked(closed, shows):
    made = closed.post("/api/v1/tokens", json={"user": "eve", "expires": "1d"}, headers=HOME)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    its = {"Authorization": f"Bearer {made.json()['token']}"}
    assert closed.get("/api/v1/loops", headers=its).status_code == 200
    assert made.json()["token"] not in closed.get("/api/v1/tokens?user=eve", headers=HOME).text
    assert closed.post(f"/api/v1/tokens/{made.json()['id']}/revoke", json={}, headers=HOME).json()["state"] == "revoked"
    assert closed.get("/api/v1/loops", headers=its).status_code == 401


def test_a_session_is_ended_and_its_secrets_are_not_told(closed, services):
    secret, session = services.access.entry.begin(services.access.users.get("eve"))
    listed = closed.get("/api/v1/sessions", headers=HOME)
    assert [one["id"] for one in listed.json()["sessions"]] == [session.id]
    assert session.csrf not in listed.text and session.digest not in listed.text
    assert closed.post(f"/api/v1/sessions/{session.id}/end", json={}, headers=HOME).status_code == 200
    assert closed.get("/api/v1/loops", cookies={"noria-session": secret}).status_code == 401


@pytest.mark.parametrize("path", ["users", "tokens", "sessions"])
def test_others_see_none_of_it(closed, shows, path):
    told = [closed.get(f"/api/v1/{path}", headers=headers).status_code for headers in (shows("eve"), shows("ada", role=Role.OPERATOR), {})]
    assert told == [403, 403, 401]


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("users", {"name": "mal", "roles": {"lab": "viewer"}}),
        ("users", {"name": "mal", "roles": {"*": "admin"}}),
        ("users/eve/grant", {"role": "admin"}),
        ("users/root/password", {"password": SECRET}),
        ("tokens", {"user": "root"}),
        ("users/ada/grant", {"role": "admin", "project": "lab"}),
        ("users/ada/revoke", {"project": "lab"}),
        ("users/eve/password", {"password": SECRET}),
        ("tokens", {"user": "eve"}),
    ],
)
def test_nobody_gives_what_they_could_not_have(closed, services, shows, path, order):
    before = services.access.users.all()
    assert closed.post(f"/api/v1/{path}", json=order, headers=shows("ada")).status_code == 403
    assert services.access.users.all() == before


def test_a_change_is_on_the_record(closed, services, shows):
    closed.post("/api/v1/users/eve/grant", json={"role": "viewer", "by": "somebody else"}, headers=shows("root"))
    line = services.access.audit.lines()[-1]
    assert (line.by, line.on, line.status) == ("root", "eve", 200)


def test_an_unknown_role_is_refused_with_the_known_ones(closed):
    told = closed.post("/api/v1/users/eve/grant", json={"role": "king"}, headers=HOME)
    assert told.status_code == 422 and "operator" in told.text
