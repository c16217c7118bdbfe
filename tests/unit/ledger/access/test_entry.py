"""Passwords and sessions: who comes in, how often one may guess, and when it is over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from noria.adapters.sqlite import Sqlite
from noria.core.errors import NotFound, TooManyTries, Unauthorised
from noria.core.identities import Session
from noria.ledger.access.pace import Pace
from noria.testing.access import MemoryAccess
from noria.testing.clocks import HandClock

SECRET = "correct horse battery"


@pytest.fixture
def home():
    home = MemoryAccess()
    home.access.users.add("ada", password=SECRET, by="home")
    return home


@pytest.fixture
def entry(home):
    return home.access.entry


def refusals(entry, tries, name="ada", address="198.51.100.1"):
    kinds = []
    for n in range(tries):
        with pytest.raises(Unauthorised) as caught:
            entry.by_password(name, f"guess {n}", address=address)
        kinds.append(type(caught.value))
    return kinds


def test_the_right_password_opens_and_any_other_does_not(entry):
    assert entry.by_password(" Ada", SECRET, address="192.0.2.1").name == "ada"
    assert refusals(entry, 1) == [Unauthorised]


def test_an_unknown_name_costs_the_same_hash_and_is_refused_in_the_same_words(home, entry):
    said = []
    for name in ("ada", "eve", "no name at all", "ci"):
        before = home.passwords.asked
        with pytest.raises(Unauthorised) as caught:
            entry.by_password(name, "wrong", address="192.0.2.1")
        said.append((str(caught.value), home.passwords.asked - before))
    assert len(set(said)) == 1 and said[0][1] == 1


def test_after_some_wrong_ones_no_password_is_looked_at_for_a_while(home, entry):
    assert refusals(entry, 11)[-2:] == [Unauthorised, TooManyTries]
    asked = home.passwords.asked
    with pytest.raises(TooManyTries) as caught:
        entry.by_password("ada", SECRET, address="203.0.113.9")
    assert home.passwords.asked == asked and 0 < caught.value.retry_after_s <= 60
    home.wall.turn(timedelta(seconds=61))
    assert entry.by_password("ada", SECRET, address="203.0.113.9").name == "ada"


def test_nobody_is_shut_out_of_where_they_were_right_by_those_who_guess_at_their_name(entry):
    entry.by_password("ada", SECRET, address="192.0.2.1")
    assert TooManyTries in refusals(entry, 15)
    assert entry.by_password("ada", SECRET, address="192.0.2.1").name == "ada"
    assert TooManyTries in refusals(entry, 11, address="192.0.2.1")


def test_one_address_may_not_try_one_password_on_many_names(entry):
    kinds = [kind for n in range(31) for kind in refusals(entry, 1, name=f"user{n}")]
    assert kinds.index(TooManyTries) == 30
    assert refusals(entry, 1, name="user99", address="203.0.113.9") == [Unauthorised]


def test_all_addresses_of_an_ipv6_network_count_as_one():
    pace = Pace(HandClock())
    for n in range(30):
        pace.take(f"user{n}", f"2001:db8::{n:x}:1")
    with pytest.raises(TooManyTries):
        pace.take("user", "2001:db8::ffff:1")


@pytest.mark.parametrize("records", ["sqlite", "postgres"])
def test_processes_that_share_a_database_count_wrong_passwords_together(records, tmp_path, request):
    clock = HandClock()
    if records == "sqlite":
        stores = [Sqlite(tmp_path / "noria.db") for _ in range(3)]
    else:
        from noria.adapters.postgres import Postgres

        url = request.getfixturevalue("postgres").database(tmp_path)
        stores = [Postgres(url) for _ in range(3)]
    paces = [Pace(clock, store) for store in stores]

    def tried(pace: Pace) -> bool:
        try:
            pace.take("ada", "192.0.2.1")
        except TooManyTries:
            return False
        return True

    try:
        with ThreadPoolExecutor(6) as callers:
            assert sum(callers.map(tried, paces * 8)) == 10
        clock.turn(timedelta(seconds=61))
        assert [tried(pace) for pace in paces] == [True, False, False]
        clock.turn(timedelta(seconds=61))
        paces[0].take("ada", "192.0.2.1")
        paces[0].was_right("ada", "192.0.2.1")
        assert tried(paces[1]), "where the name was right has a count of its own, in every process"
        clock.turn(timedelta(days=1))
        assert tried(paces[2])
        assert stores[0].read("SELECT count(*) FROM noria_tries") == [(2,)], "counts that are nothing by now are let go"
    finally:
        for store in stores:
            store.close()


def test_a_session_is_kept_as_its_hash_and_ends_when_it_is_ended(home, entry):
    secret, session = entry.begin(home.access.users.get("ada"), address="192.0.2.1", agent="a browser")
    assert secret not in str(home.records.get("session", session.digest))
    principal, found, _ = entry.session(secret)
    assert (principal.name, principal.token, found.csrf) == ("ada", session.id, session.csrf)
    entry.end(secret)
    entry.end(secret)
    with pytest.raises(Unauthorised):
        entry.session(secret)
    assert entry.sessions("ada") == []


def test_a_session_is_never_the_one_that_a_caller_brought(home, entry):
    ada = home.access.users.get("ada")
    first, _ = entry.begin(ada)
    second, _ = entry.begin(ada, instead_of=first)
    assert first != second
    with pytest.raises(Unauthorised):
        entry.session(first)
    with pytest.raises(Unauthorised):
        entry.session("fixed by eve")


@pytest.mark.parametrize(("pause", "rounds"), [(timedelta(hours=12), 1), (timedelta(hours=11), 16)])
def test_a_session_ends_by_itself_when_nothing_comes_and_at_the_latest_after_a_week(home, entry, pause, rounds):
    secret, _ = entry.begin(home.access.users.get("ada"))
    for left in reversed(range(rounds)):
        home.wall.turn(pause)
        if left:
            entry.session(secret)
    with pytest.raises(Unauthorised):
        entry.session(secret)


def test_a_new_password_ends_every_session(home, entry):
    secret, _ = entry.begin(home.access.users.get("ada"))
    home.access.users.password("ada", SECRET + "!", by="ada")
    with pytest.raises(Unauthorised):
        entry.session(secret)


def test_a_session_is_ended_by_its_public_name_by_its_owner_or_an_admin(home, entry):
    secret, session = entry.begin(home.access.users.get("ada"))
    with pytest.raises(NotFound):
        entry.end_one(session.id, by="eve", of="eve")
    entry.end_one(session.id, by="grace")
    with pytest.raises(Unauthorised):
        entry.session(secret)


def test_that_a_session_was_seen_is_written_at_most_every_five_minutes(home, entry):
    secret, session = entry.begin(home.access.users.get("ada"))
    for _ in range(10):
        entry.session(secret)
    assert home.documents.revision(Session, session.digest)[1] == 1
    home.wall.turn(timedelta(minutes=5))
    entry.session(secret)
    assert home.documents.revision(Session, session.digest)[1] == 2


def test_a_password_that_was_kept_by_older_parameters_is_kept_anew(home, entry):
    user = home.access.users.get("ada")
    from dataclasses import replace

    home.passwords.fits = lambda kept, password: password == SECRET
    home.documents.put(replace(user, password="old:hash"))
    assert entry.by_password("ada", SECRET, address="").password == home.passwords.kept(SECRET)
    assert home.access.users.get("ada").password == home.passwords.kept(SECRET)
