"""Users: what may be ordered about them, and what may not."""

import pytest

from noria.core.errors import Conflict, NotAllowed, NotFound, RequestInvalid, Unauthorised
from noria.core.identities import User
from noria.core.rights import ANYWHERE, Role
from noria.testing.access import MemoryAccess

SECRET = "correct horse battery"


@pytest.fixture
def home():
    return MemoryAccess()


@pytest.fixture
def access(home):
    return home.access


def test_the_first_user_lets_everybody_be_asked_and_removing_the_last_one_does_not_end_that(access):
    assert access.asked()[0] is False
    access.users.add("ada", password=SECRET, by="home")
    assert access.asked()[0] is True
    access.users.remove("ada", by="home")
    assert access.asked()[0] is True
    access.users.open(by="home", because="alone again")
    assert access.asked()[0] is False


def test_the_door_is_not_opened_while_there_is_a_user(access):
    access.users.add("ci", service=True, by="home")
    with pytest.raises(NotAllowed):
        access.users.open(by="home")


def test_roles_are_granted_and_taken_per_project_and_are_on_the_record(home, access):
    access.users.add("Ada", roles={ANYWHERE: Role.VIEWER}, by="home")
    access.users.grant("ada", Role.OPERATOR, project="lab", by="grace", because="on duty")
    assert access.users.get("ADA").roles == {ANYWHERE: Role.VIEWER, "lab": Role.OPERATOR}
    access.users.revoke("ada", by="grace")
    assert access.users.get("ada").roles == {"lab": Role.OPERATOR}
    with pytest.raises(NotFound):
        access.users.revoke("ada", project="elsewhere", by="grace")
    told = [(event.kind, event.by, event.reasons) for event in home.ledger.events(subject="ada")]
    assert told[1:] == [
        ("role.granted", "grace", ("operator in project lab", "on duty")),
        ("role.revoked", "grace", ("viewer in every project",)),
    ]


@pytest.mark.parametrize("name", ["", "a b", "home", "LOCAL", "noria", "x" * 65, "-x", "ada\n", "a/b", "ädä", "*"])
def test_a_name_that_others_could_mistake_is_refused(access, name):
    if name == "ada\n":
        assert access.users.add(name, by="home").name == "ada"
        return
    with pytest.raises(RequestInvalid):
        access.users.add(name, by="home")


def test_a_name_is_one_persons_however_it_is_written(access):
    access.users.add("ada", by="home")
    with pytest.raises(NotAllowed):
        access.users.add("ADA", by="home")


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaa", "x" * 1_025, "nt_3f9c0a17b2de_looks", "charlesdarwin"])
def test_a_password_that_would_soon_be_guessed_is_refused_and_not_repeated(access, password):
    with pytest.raises(RequestInvalid) as caught:
        access.users.add("charlesdarwin", password=password, by="home")
    assert password not in str(caught.value)


def test_a_program_has_no_password(access):
    access.users.add("ci", service=True, by="home")
    with pytest.raises(NotAllowed):
        access.users.password("ci", SECRET, by="home")


def test_a_removed_user_comes_back_as_another_one(home, access):
    access.users.add("ada", password=SECRET, roles={ANYWHERE: Role.ADMIN}, by="home")
    token, _ = access.tokens.add("ada", by="ada")
    cookie, _ = access.entry.begin(access.users.get("ada"))
    access.users.remove("ada", by="grace", because="left")
    again = access.users.add("ada", password=SECRET, by="grace")
    assert again.roles == {} and again.generation > 2
    with pytest.raises(Unauthorised):
        access.tokens.speaks_for(token)
    with pytest.raises(Unauthorised):
        access.entry.session(cookie)
    assert home.documents.get(User, "ada") == again


def test_two_changes_of_one_user_at_once_are_not_both_done(home, access):
    access.users.add("ada", by="home")
    user, revision = home.documents.revision(User, "ada")
    access.users.grant("ada", Role.ADMIN, by="grace")
    with pytest.raises(Conflict):
        home.documents.put(user, expect=revision)


def test_no_password_is_in_any_event(home, access):
    access.users.add("ada", password=SECRET, by="home")
    access.users.password("ada", SECRET + "!", by="ada")
    assert SECRET not in str(home.ledger.events()) and SECRET[::-1] not in str(home.ledger.events())
