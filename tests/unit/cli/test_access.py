"""Users, tokens and the record in the terminal."""

import json

import pytest
import typer

from noria.adapters.argon import Argon
from noria.app.settings import Settings, keep
from noria.app.wiring import build, open_access
from noria.cli.audit import audit
from noria.cli.tokens import tokens
from noria.cli.users import users
from noria.core.audit import Called


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(Argon.__init__, "__kwdefaults__", {"memory_kib": 8, "passes": 1, "lanes": 1})
    keep(Settings(home=str(tmp_path)))
    return tmp_path


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_first_admin_and_a_program_with_its_token(home, capsys):
    users("add", "ada", role="admin", home=home, by="root", as_json=True)
    made = told(capsys)
    assert len(made["password"]) > 16 and made["roles"] == {"*": "admin"}
    users("add", "ci", role="contributor", project="lab", service=True, home=home, by="root", as_json=True)
    assert "password" not in told(capsys)
    tokens("add", "ci", expires="90d", note="runner", home=home, by="root", as_json=True)
    token = told(capsys)
    access = open_access(build(Settings(home=str(home))))
    assert access.entry.by_password("ada", made["password"], address="").name == "ada"
    assert access.tokens.speaks_for(token["token"])[0].roles == {"lab": "contributor"}
    tokens("revoke", token["id"], home=home, by="root", as_json=True)
    assert told(capsys)["state"] == "revoked"
    users("list", home=home, as_json=True)
    assert [one["name"] for one in told(capsys)["users"]] == ["ada", "ci"]
    assert "quick" not in capsys.readouterr().out


def test_roles_come_and_go(home, capsys):
    users("add", "ada", home=home, by="root", as_json=True)
    users("grant", "ada", role="operator", project="lab", home=home, by="root", as_json=True)
    users("revoke", "ada", project="lab", home=home, by="root", as_json=True)
    users("remove", "ada", home=home, by="root", as_json=True)
    users("open", home=home, by="root", as_json=True)
    assert open_access(build(Settings(home=str(home)))).asked()[0] is False
    with pytest.raises(typer.Exit):
        users("grant", "ada", role="king", home=home, by="root", as_json=True)


def test_the_record_is_printed(home, capsys):
    access = open_access(build(Settings(home=str(home))))
    access.audit.write(Called("ada", "", "192.0.2.7", "POST /api/v1/loops/{name}/kill", "late", "default", 200))
    audit(since="1h", by="ada", home=home, as_json=True)
    (line,) = told(capsys)["audit"]
    assert (line["on"], line["address"], line["calls"]) == ("late", "192.0.2.7", 1)
    audit(since="2000-01-01", home=home)
    assert "/api/v1/loops/{name}/kill" in capsys.readouterr().out
    with pytest.raises(typer.Exit):
        audit(since="soon", home=home, as_json=True)
