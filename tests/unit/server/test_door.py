"""The door: from what a request shows to who calls, as an attacker would try it."""

import asyncio
import base64
import threading
from datetime import timedelta

import pytest

from noria.core.errors import Forbidden, RequestInvalid, TooManyTries, Unauthorised
from noria.core.rights import ANYWHERE, LOCAL, Right, Role
from noria.server.door import HOME, Door
from noria.server.shown import headers_of
from noria.testing.access import MemoryAccess

SECRET = "correct horse battery"
TOKEN = "the-home-token"


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def basic(name, secret):
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


@pytest.fixture
def home():
    home = MemoryAccess()
    home.access.users.add("ada", password=SECRET, roles={ANYWHERE: Role.CONTRIBUTOR}, by="home")
    return home


@pytest.fixture
def door(home):
    return Door(home.access, token=TOKEN, hint="The token is in .noria/token.")


def test_a_token_is_known_after_its_first_look(home, door):
    secret, made = home.access.tokens.add("ada", by="ada")
    assert door.known(bearer(secret)) is None
    first = door.caller(bearer(secret))
    assert door.known(bearer(secret)) is first and (first.name, first.token) == ("ada", made.id)
    assert door.known({"x-api-key": secret}) is first
    assert first.may(Right.CONTRIBUTE) and not first.may(Right.OPERATE)


@pytest.mark.parametrize("headers", [bearer(TOKEN), {"x-api-key": TOKEN}, basic("anybody", TOKEN), basic("", TOKEN)])
def test_the_homes_own_token_opens_everything(door, headers):
    assert door.caller(headers) is HOME and HOME.may(Right.ADMIN, ANYWHERE)


@pytest.mark.parametrize("name", ["ada", "ADA", "token", ""])
def test_basic_takes_a_token_in_the_passwords_place(home, door, name):
    secret, _ = home.access.tokens.add("ada", by="ada")
    if name == "token":
        with pytest.raises(Unauthorised):
            door.caller(basic(name, secret))
    else:
        assert door.caller(basic(name, secret)).name == "ada"


def test_a_password_is_held_against_its_hash_once_in_a_while(home, door):
    for _ in range(50):
        assert door.caller(basic("ada", SECRET)).name == "ada"
    assert home.passwords.asked == 1
    home.wall.turn(timedelta(minutes=6))
    door.caller(basic("ada", SECRET))
    assert home.passwords.asked == 2


def test_sixty_four_threads_with_one_password_cost_one_hash(home, door):
    found = []
    threads = [threading.Thread(target=lambda: found.append(door.caller(basic("ada", SECRET)).name)) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["ada"] * 64 and home.passwords.asked == 1


def test_a_wrong_password_is_not_remembered_as_right_and_soon_not_looked_at(home, door):
    for _ in range(10):
        with pytest.raises(Unauthorised):
            door.caller(basic("ada", "wrong"), address="198.51.100.1")
    with pytest.raises(TooManyTries):
        door.caller(basic("ada", SECRET), address="198.51.100.1")
    assert home.passwords.asked == 10


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("wrong"),
        bearer("nt_"),
        bearer(TOKEN + "x"),
        {"authorization": TOKEN},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
        {"authorization": "Digest x"},
        {"x-api-key": ""},
        {"cookie": "noria-session="},
        {"cookie": "noria-session=guess"},
        basic("ada", ""),
        {"authorization": "Bearer \udcff"},
    ],
)
def test_what_opens_nothing_is_refused_and_said_how_to_do_it(door, headers):
    with pytest.raises(Unauthorised) as caught:
        door.caller(headers)
    assert TOKEN not in str(caught.value)


def test_an_authorization_that_opens_nothing_is_not_made_up_for_by_a_cookie(home, door):
    cookie, _ = home.access.entry.begin(home.access.users.get("ada"))
    assert door.caller({"cookie": f"noria-session={cookie}"}, method="GET").name == "ada"
    for wrong in (bearer("wrong"), {"authorization": "Digest x"}, {"x-api-key": ""}):
        with pytest.raises(Unauthorised):
            door.caller({"cookie": f"noria-session={cookie}", **wrong}, method="GET")


def test_a_cookie_that_is_sent_twice_is_none(home, door):
    cookie, _ = home.access.entry.begin(home.access.users.get("ada"))
    with pytest.raises(Unauthorised):
        door.caller({"cookie": f"noria-session={cookie}; noria-session=other"}, method="GET")


def test_an_order_from_a_page_needs_its_sessions_csrf_token(home, door):
    cookie, session = home.access.entry.begin(home.access.users.get("ada"))
    shows = {"cookie": f"noria-theme=dark; noria-session={cookie}", "host": "127.0.0.1:7700"}
    assert door.caller(shows, method="GET").name == "ada"
    for wrong in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "guess"}, {"x-csrf-token": "\udcffx"[1:]}):
        with pytest.raises(Forbidden):
            door.caller({**shows, **wrong}, method="POST")
    assert door.caller({**shows, "x-csrf-token": session.csrf}, method="POST").name == "ada"
    with pytest.raises(Forbidden):
        door.caller({**shows, "x-csrf-token": session.csrf, "origin": "https://evil.example"}, method="POST")


ELSEWHERE = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},
]


@pytest.mark.parametrize("told", ELSEWHERE)
def test_another_sites_page_orders_nothing_in_the_name_of_who_looks_at_it(home, door, told):
    off = Door(MemoryAccess().access, token=TOKEN, asks=False)
    for which, shows in ((door, basic("ada", SECRET)), (off, {})):
        headers = {**shows, "host": "127.0.0.1:7700", **told}
        with pytest.raises(Forbidden):
            which.caller(headers, method="POST")
        which.caller(headers, method="GET")  # CORS keeps the answer from the other page


def test_our_own_page_and_programs_order_what_they_like(home):
    off = Door(MemoryAccess().access, asks=False, origin="https://noria.example")
    for told in ({}, {"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1:7700"}, {"origin": "https://noria.example"}):
        assert off.caller({"host": "127.0.0.1:7700", **told}) is LOCAL


def test_nobody_is_asked_on_this_machine_until_there_is_a_user(home):
    fresh = MemoryAccess()
    off = Door(fresh.access, token=TOKEN, asks=False)
    assert off.caller({}) is LOCAL and off.known({}) is LOCAL and off.caller(bearer(TOKEN)) is HOME
    fresh.access.users.add("ada", by="home")
    off.look_now()
    with pytest.raises(Unauthorised):
        off.caller({})
    with pytest.raises(Unauthorised):
        Door(MemoryAccess().access, token=TOKEN, asks=True).caller({})


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip", "via"])
def test_what_came_through_a_proxy_is_not_this_machines_user(name):
    off = Door(MemoryAccess().access, token=TOKEN, asks=False)
    with pytest.raises(Unauthorised):
        off.caller({name: "127.0.0.1"}, method="GET")
    assert off.caller({name: "127.0.0.1", **bearer(TOKEN)}) is HOME


def test_an_empty_home_token_is_nobodys(home):
    door = Door(home.access, token="")
    for headers in (bearer(""), {"x-api-key": ""}, basic("", "")):
        with pytest.raises(Unauthorised):
            door.caller(headers)


def test_what_another_process_revoked_counts_at_the_next_look(home, door):
    secret, made = home.access.tokens.add("ada", by="ada")
    door.caller(bearer(secret))
    home.access.tokens.revoke(made.id, by="grace")
    door.look_now()
    assert door.known(bearer(secret)) is None
    with pytest.raises(Unauthorised):
        door.caller(bearer(secret))


def test_a_role_that_is_taken_counts_at_the_next_look(home, door):
    assert door.caller(basic("ada", SECRET)).may(Right.CONTRIBUTE)
    home.access.users.revoke("ada", by="grace")
    door.look_now()
    assert not door.caller(basic("ada", SECRET)).may(Right.VIEW)


def test_an_expired_token_is_not_kept_alive_by_the_memory_of_it(home, door):
    secret, _ = home.access.tokens.add("ada", lasts=timedelta(seconds=30), by="ada")
    door.caller(bearer(secret))
    home.wall.turn(timedelta(seconds=31))
    with pytest.raises(Unauthorised):
        door.caller(bearer(secret))


def test_the_last_use_is_written_once_for_many_requests(home, door):
    secret, made = home.access.tokens.add("ada", by="ada")
    for _ in range(100):
        door.caller(bearer(secret), address="192.0.2.7")
        door.keep_uses()
    assert home.records.get("access-token-use", made.id).revision == 1
    (shown,) = home.access.tokens.all()
    assert (shown.used_at, shown.used_from) == (home.wall.now(), "192.0.2.7")


@pytest.mark.parametrize("name", ["authorization", "host", "x-mlflow-workspace", "x-api-key"])
def test_a_header_that_says_who_or_where_may_not_be_sent_twice(name):
    with pytest.raises(RequestInvalid):
        headers_of([(name.encode(), b"one"), (name.title().encode(), b"two")])
    assert headers_of([(b"Accept", b"a"), (b"accept", b"b")]) == {"accept": "a, b"}


def test_more_than_some_waiting_for_a_slow_hash_are_sent_away(home, door):
    gate = threading.Event()
    home.passwords.fits = lambda kept, password: gate.wait(30) and False

    async def crowd():
        tasks = [asyncio.ensure_future(door.enter(basic(f"user{n}", "guess"), address=f"192.0.2.{n}")) for n in range(40)]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    told = [type(one) for one in asyncio.run(crowd())]
    assert told.count(TooManyTries) == 8 and told.count(Unauthorised) == 32
