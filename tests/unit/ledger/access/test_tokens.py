"""Tokens: whom they speak for, how far, and until when."""

from datetime import timedelta

import pytest

from noria.core.errors import NotAllowed, NotFound, RequestInvalid, Unauthorised
from noria.core.identities import AccessToken, TokenUse
from noria.core.rights import ANYWHERE, Right, Role
from noria.testing.access import MemoryAccess


@pytest.fixture
def home():
    home = MemoryAccess()
    home.access.users.add("ada", roles={ANYWHERE: Role.OPERATOR, "lab": Role.VIEWER}, by="home")
    return home


@pytest.fixture
def tokens(home):
    return home.access.tokens


def test_a_token_is_kept_as_its_hash_alone(home, tokens):
    secret, made = tokens.add("ada", by="ada", note="notebook")
    kept = home.records.get("access-token", made.id).body.decode()
    assert secret not in kept and secret.rpartition("_")[2] not in kept + str(home.ledger.events())
    principal, ends = tokens.speaks_for(secret)
    assert (principal.name, principal.token, ends) == ("ada", made.id, home.wall.now() + timedelta(days=365))


@pytest.mark.parametrize(
    ("project", "role", "may"),
    [
        (ANYWHERE, None, {"default": Right.OPERATE, "lab": Right.VIEW}),
        (ANYWHERE, Role.CONTRIBUTOR, {"default": Right.CONTRIBUTE, "lab": Right.VIEW}),
        (ANYWHERE, Role.ADMIN, {"default": Right.OPERATE, "lab": Right.VIEW}),
        ("lab", Role.ADMIN, {"default": Right.NONE, "lab": Right.VIEW}),
        ("default", Role.VIEWER, {"default": Right.VIEW, "lab": Right.NONE}),
    ],
)
def test_a_token_never_reaches_further_than_its_user_and_its_scope(tokens, project, role, may):
    principal, _ = tokens.speaks_for(tokens.add("ada", project=project, role=role, by="ada")[0])
    for place, most in may.items():
        reached = [right for right in Right if principal.may(right, place)]
        assert reached[-1] is most, (place, reached)


def test_what_a_user_loses_its_tokens_lose(home, tokens):
    secret, _ = tokens.add("ada", by="ada")
    home.access.users.grant("ada", Role.VIEWER, by="grace")
    assert not tokens.speaks_for(secret)[0].may(Right.CONTRIBUTE)


def test_a_token_ends(home, tokens):
    secret, _ = tokens.add("ada", lasts=timedelta(hours=1), by="ada")
    home.wall.turn(timedelta(minutes=59))
    tokens.speaks_for(secret)
    home.wall.turn(timedelta(minutes=1))
    with pytest.raises(Unauthorised):
        tokens.speaks_for(secret)


def test_a_revoked_token_opens_nothing_and_only_its_owner_or_an_admin_revokes_it(tokens):
    secret, made = tokens.add("ada", by="ada")
    with pytest.raises(NotFound):
        tokens.revoke(made.id, by="eve", of="eve")
    assert tokens.revoke(made.id, by="ada", of="ada").state == "revoked"
    with pytest.raises(NotAllowed):
        tokens.revoke(made.id, by="ada")
    with pytest.raises(Unauthorised):
        tokens.speaks_for(secret)


def test_a_wrong_secret_and_a_wrong_id_are_refused_in_the_same_words(tokens):
    _, made = tokens.add("ada", by="ada")
    said = set()
    for shown in (f"nt_{made.id}_guess", "nt_000000000000_guess", "", "nt_", "guess", "nt_\udcff_x"):
        with pytest.raises(Unauthorised) as caught:
            tokens.speaks_for(shown)
        said.add(str(caught.value))
    assert len(said) == 1


@pytest.mark.parametrize("wrong", [{"lasts": timedelta(0)}, {"note": "n" * 201}])
def test_a_token_that_makes_no_sense_is_refused(tokens, wrong):
    with pytest.raises(RequestInvalid):
        tokens.add("ada", by="ada", **wrong)


def test_nobody_gets_a_token_for_nobody(tokens):
    with pytest.raises(NotFound):
        tokens.add("eve", by="eve")


def test_the_newest_use_is_kept(home, tokens):
    _, made = tokens.add("ada", by="ada")
    at = home.wall.now()
    tokens.used([TokenUse(token=made.id, at=at + timedelta(minutes=5), address="192.0.2.7")])
    tokens.used([TokenUse(token=made.id, at=at, address="192.0.2.8")])
    (shown,) = tokens.all("ada")
    assert (shown.used_at, shown.used_from, shown.state) == (at + timedelta(minutes=5), "192.0.2.7", "valid")


def test_a_token_from_an_older_noria_still_opens(home):
    body = home.documents.write(AccessToken(id="x", user="ada", digest="sha256:00", made_at=home.wall.now())).body
    assert b'"project":"*"' in body
