"""Logging in and out by a browser, as people and as attackers would."""

import re
from datetime import timedelta

import pytest
from sample import LOOP, SampleServices

from noria.core.rights import ANYWHERE, Role
from noria.testing.clocks import HandClock

SECRET = "correct horse battery"
COOKIE = "noria-session"


@pytest.fixture
def services(tmp_path):
    services = SampleServices(tmp_path)
    services.wall = services.access.wall = HandClock()
    services.access.__init__(services, services.passwords)
    services.access.users.add("ada", password=SECRET, roles={ANYWHERE: Role.OPERATOR}, by="home")
    services.access.users.add("eve", password=SECRET, roles={"default": Role.VIEWER}, by="home")
    return services


def form_of(closed):
    page = closed.get("/login")
    return page.cookies["noria-login"], re.search(r'name="form" value="([^"]+)"', page.text)[1]


def login(closed, name="ada", password=SECRET, next="/", **more):
    cookie, form = form_of(closed)
    cookies = {"noria-login": cookie, **more.pop("cookies", {})}
    return closed.post("/login", data={"name": name, "password": password, "form": form, "next": next}, cookies=cookies, **more)


def session_of(answer):
    return {COOKIE: answer.cookies[COOKIE]}


def csrf_of(closed, cookies):
    return re.search(r'name="csrf" content="([^"]*)"', closed.get("/me", cookies=cookies).text)[1]


def test_a_page_leads_to_the_login_and_the_login_back_to_the_page(closed):
    sent = closed.get(f"/loops/{LOOP}?tab=1", headers={"accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"/login?next=%2Floops%2F{LOOP}%3Ftab%3D1")
    answer = login(closed, next=f"/loops/{LOOP}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/loops/{LOOP}")
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags and "samesite=lax" in flags and "path=/" in flags
    assert "ada" in closed.get("/", cookies=session_of(answer)).text


@pytest.mark.parametrize(
    "next", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\n/evil", "/logout"]
)
def test_a_login_leads_nowhere_else(closed, next):
    assert login(closed, next=next).headers["location"] == "/"


def test_a_wrong_password_says_no_more_than_an_unknown_name(closed):
    told = [login(closed, name=name, password="wrong") for name in ("ada", "nobody")]
    assert [one.status_code for one in told] == [401, 401]
    said = [re.search(r'role="alert">([^<]+)<', one.text)[1] for one in told]
    assert said[0] == said[1] and COOKIE not in told[0].cookies


def test_guessing_ends(closed):
    answers = [login(closed, password=f"guess {n}") for n in range(11)]
    assert answers[-1].status_code == 429 and int(answers[-1].headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"origin": "https://evil.example"}},
        {"headers": {"sec-fetch-site": "cross-site"}},
        {"cookies": {"noria-login": "theirs"}},
    ],
)
def test_another_site_logs_nobody_in(closed, wrong):
    assert login(closed, **wrong).status_code == 403


def test_a_session_that_was_planted_is_not_taken_up(closed, services):
    answer = login(closed, cookies={COOKIE: "planted"})
    assert answer.cookies[COOKIE] != "planted"
    again = login(closed, cookies=session_of(answer))
    assert closed.get("/api/v1/loops", cookies=session_of(answer)).status_code == 401
    assert closed.get("/api/v1/loops", cookies=session_of(again)).status_code == 200


def test_orders_from_the_page_need_its_csrf_token_and_go_by_the_sessions_name(closed, services):
    cookies = session_of(login(closed))
    kill = f"/api/v1/loops/{LOOP}/kill"
    assert closed.post(kill, json={}, cookies=cookies).status_code == 403
    assert services.asked == []
    told = closed.post(kill, json={"by": "grace"}, cookies=cookies, headers={"x-csrf-token": csrf_of(closed, cookies)})
    assert told.status_code == 200 and services.asked[-1][2] == "ada"


def test_whoever_logs_out_is_out(closed):
    cookies = session_of(login(closed))
    told = closed.post("/logout", json={}, cookies=cookies, headers={"x-csrf-token": csrf_of(closed, cookies)})
    assert told.json() == {"session": "over"}
    assert closed.get("/api/v1/loops", cookies=cookies).status_code == 401


def test_a_session_is_over_after_twelve_idle_hours(closed, services):
    cookies = session_of(login(closed))
    services.wall.turn(timedelta(hours=12))
    assert closed.get("/api/v1/loops", cookies=cookies).status_code == 401


def test_a_person_makes_lists_and_revokes_their_own_tokens_and_nobody_elses(closed, services):
    cookies = session_of(login(closed, name="eve"))
    shows = {"cookies": cookies, "headers": {"x-csrf-token": csrf_of(closed, cookies)}}
    made = closed.post("/me/tokens", json={"note": "notebook", "expires": "30d", "role": "admin"}, **shows)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    assert closed.get("/api/v1/loops", headers=token).status_code == 200
    assert closed.post(f"/api/v1/loops/{LOOP}/kill", json={}, headers=token).status_code == 403
    page = closed.get("/me", cookies=cookies).text
    assert made.json()["id"] in page and made.json()["token"] not in page
    assert closed.post("/me/tokens", json={}, headers=token).status_code == 403  # a token makes no other
    _, adas = services.access.tokens.add("ada", by="ada")
    assert closed.post(f"/me/tokens/{adas.id}/revoke", json={}, **shows).status_code == 404
    assert closed.post(f"/me/tokens/{made.json()['id']}/revoke", json={}, **shows).status_code == 200
    assert closed.get("/api/v1/loops", headers=token).status_code == 401


def test_a_person_ends_their_other_sessions_and_nobody_elses(closed, services):
    other = session_of(login(closed))
    cookies = session_of(login(closed))
    shows = {"cookies": cookies, "headers": {"x-csrf-token": csrf_of(closed, cookies)}}
    theirs = services.access.entry.sessions("ada")
    id = next(one.id for one in theirs if one.id not in closed.get("/me", cookies=cookies).text.split("(this one)")[0][-40:])
    assert closed.post(f"/me/sessions/{id}/end", json={}, **shows).status_code == 200
    assert closed.get("/api/v1/loops", cookies=other).status_code == 401
    services.access.entry.begin(services.access.users.get("eve"))
    (eves,) = services.access.entry.sessions("eve")
    assert closed.post(f"/me/sessions/{eves.id}/end", json={}, **shows).status_code == 404


def test_where_nobody_is_asked_there_is_no_own_page(tmp_path):
    from calling import Caller

    from noria.server.application import create_app

    assert Caller(create_app(SampleServices(tmp_path))).get("/me").status_code == 409


def test_logins_are_on_the_record(closed, services):
    login(closed)
    login(closed, password="wrong")
    services.access.audit.flush()
    told = [(line.by, line.status) for line in services.access.audit.lines() if line.what == "POST /login"]
    assert sorted(told) == [("", 401), ("ada", 303)]
